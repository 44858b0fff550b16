// Where things stand in this checkout.
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

export const root = dirname(dirname(fileURLToPath(import.meta.url)))
export const dist = join(root, 'dist')
export const program = join(dist, 'baton.mjs')

/** Whether this file is the one that node was asked to run. */
export function isMain(url) {
  return process.argv[1] === fileURLToPath(url)
}
