/** Where the programs of xen-tools begin: the words as they were typed, nobody else's options. */
import { localHost } from '../../hosts/local/local.ts'
import type { Outcome } from './front.ts'

export type XenToolsName = 'xen-create-image' | 'xen-delete-image' | 'xen-list-images' | 'xen-update-image'

/** How long a base may take to be built over a slow line; all else is a matter of seconds. */
const patienceMs = 4 * 3_600_000

/** Runs to its end; the process ends with its exit code. Interrupted, it takes back what it has made. */
export async function runXenToolsFront(name: XenToolsName, words: readonly string[]): Promise<void> {
  const interrupted = new AbortController()
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, () => interrupted.abort())
  const options = { signal: AbortSignal.any([interrupted.signal, AbortSignal.timeout(patienceMs)]) }
  const { stdout, stderr, code } = await run(name, words, options)
  process.stderr.write(stderr)
  process.stdout.write(stdout)
  process.exitCode = code
}

async function run(name: XenToolsName, words: readonly string[], options: { signal: AbortSignal }): Promise<Outcome> {
  const host = localHost()
  const say = (text: string): void => void process.stdout.write(text)
  switch (name) {
    case 'xen-list-images':
      return (await import('./list/front.ts')).runListImages(host, words, options)
    case 'xen-create-image':
      return (await import('./create/front.ts')).runCreateImage(host, words, say, options)
    case 'xen-delete-image':
      return (await import('./delete.ts')).runDeleteImage(host, words, say, options)
    case 'xen-update-image':
      return (await import('./update.ts')).runUpdateImage(host, words, say, options)
  }
}
