/** Where the data plane's thread is loaded from: beside the bundled program, or bundled on the fly from source. */
import { createHash } from 'node:crypto'
import { access, mkdir, rename, writeFile } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { fileURLToPath } from 'node:url'
import type { build } from 'esbuild'

let fromSource: Promise<URL> | undefined

export async function workerFile(): Promise<URL> {
  if (!import.meta.url.endsWith('.ts')) return new URL('./userspace-worker.mjs', import.meta.url)
  fromSource ??= bundleFromSource()
  return await fromSource
}

/** Node 20 cannot run TypeScript in a worker; only a checkout gets here, and it has esbuild. */
async function bundleFromSource(): Promise<URL> {
  const esbuild = createRequire(import.meta.url)('esbuild') as { build: typeof build }
  const entry = fileURLToPath(new URL('./worker.ts', import.meta.url))
  const { outputFiles } = await esbuild.build({
    entryPoints: [entry],
    bundle: true,
    write: false,
    platform: 'node',
    format: 'esm',
    target: 'node20',
    packages: 'external',
  })
  const code = outputFiles[0]?.contents ?? new Uint8Array()
  const name = createHash('sha256').update(code).digest('hex').slice(0, 16)
  const directory = new URL('../../../node_modules/.cache/baton/', import.meta.url)
  const file = new URL(`userspace-worker-${name}.mjs`, directory)
  const isThere = await access(file).then(
    () => true,
    () => false,
  )
  if (isThere) return file
  await mkdir(directory, { recursive: true })
  const partial = new URL(`${name}.${process.pid}`, directory)
  await writeFile(partial, code)
  await rename(partial, file)
  return file
}
