// Builds dist/: the program, its lazily loaded parts, and the engines' threads. dist/ is replaced as a whole.
import { rename, rm } from 'node:fs/promises'
import { dist, isMain, root } from './paths.mjs'

// CommonJS dependencies (fastify, pino) still call for Node's built-ins with require.
const banner = [
  `import { createRequire as batonCreateRequire } from 'node:module'`,
  `import { dirname as batonDirname } from 'node:path'`,
  `import { fileURLToPath as batonFileUrlToPath } from 'node:url'`,
  `const require = batonCreateRequire(import.meta.url)`,
  `const __filename = batonFileUrlToPath(import.meta.url)`,
  `const __dirname = batonDirname(__filename)`,
].join('\n')

/** Of the environment: dist/ is as it should be, and is left alone. */
export const isBuilt = 'BATON_IS_BUILT'

export async function buildAll() {
  const { build } = await import('esbuild')
  const fresh = `${dist}.new-${process.pid}`
  try {
    await build({
      absWorkingDir: root,
      entryPoints: {
        baton: 'src/cli/main.ts',
        'userspace-worker': 'src/engines/userspace/worker.ts',
        'application-worker': 'src/engines/application/worker.ts',
        'sync-worker': 'src/sync/worker.ts',
        'vrrp-worker': 'src/vrrp/worker.ts',
        'spec-worker': 'src/cli/local/spec-worker.ts',
      },
      outdir: fresh,
      outExtension: { '.js': '.mjs' },
      bundle: true,
      // Commands load what they need when they run: `baton --help` reads one small file.
      splitting: true,
      format: 'esm',
      platform: 'node',
      target: 'node20',
      // What is native in ssh2 is only faster: it does without.
      external: ['koffi', 'cpu-features', '*.node'],
      banner: { js: banner },
      // Not minified: it starts no faster, and stacks stay readable.
      sourcemap: 'linked',
      logLevel: 'warning',
    })
    const old = `${dist}.old-${process.pid}`
    await rename(dist, old).catch((error) => {
      if (error.code !== 'ENOENT') throw error
    })
    await rename(fresh, dist)
    await rm(old, { recursive: true, force: true })
  } finally {
    await rm(fresh, { recursive: true, force: true })
  }
}

// Labs build what they run, unless a whole run of tests has: it is in use by others then.
if (isMain(import.meta.url) && process.env[isBuilt] !== '1') {
  const startedAt = Date.now()
  await buildAll()
  console.log(`built dist/ in ${((Date.now() - startedAt) / 1000).toFixed(1)} s`)
}
