/** Where an engine's thread is loaded from: beside the bundled program, or bundled on the fly from source. */
import { createHash } from 'node:crypto'
import { access, mkdir, rename, writeFile } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { fileURLToPath } from 'node:url'
import type { build } from 'esbuild'

const fromSource = new Map<string, Promise<URL>>()

/** `NAME-worker.mjs` of the built program is made from `entry` by scripts/build.mjs. */
export async function threadFile(name: string, entry: string): Promise<URL> {
  if (!import.meta.url.endsWith('.ts')) return new URL(`./${name}-worker.mjs`, import.meta.url)
  const bundled = fromSource.get(name) ?? bundleFromSource(name, entry)
  fromSource.set(name, bundled)
  return await bundled
}

/** Node 20 cannot run TypeScript in a worker; only a checkout gets here, and it has esbuild. */
async function bundleFromSource(name: string, entry: string): Promise<URL> {
  const esbuild = createRequire(import.meta.url)('esbuild') as { build: typeof build }
  const { outputFiles } = await esbuild.build({
    entryPoints: [fileURLToPath(new URL(entry, import.meta.url))],
    bundle: true,
    write: false,
    platform: 'node',
    format: 'esm',
    target: 'node20',
    packages: 'external',
  })
  const code = outputFiles[0]?.contents ?? new Uint8Array()
  const hash = createHash('sha256').update(code).digest('hex').slice(0, 16)
  const directory = new URL('../../node_modules/.cache/baton/', import.meta.url)
  const file = new URL(`${name}-worker-${hash}.mjs`, directory)
  const isThere = await access(file).then(
    () => true,
    () => false,
  )
  if (isThere) return file
  await mkdir(directory, { recursive: true })
  const partial = new URL(`${hash}.${process.pid}`, directory)
  await writeFile(partial, code)
  await rename(partial, file)
  return file
}
