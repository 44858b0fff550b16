import { execFile } from 'node:child_process'
import { mkdtemp, rm, symlink } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { type BuildOptions, build } from 'esbuild'
import { describe, expect, test } from 'vitest'

const program = `
import { userspaceEngine } from './userspace.ts'
const engine = await userspaceEngine({ plane: process.argv[2] })
console.log(engine.plane)
await engine[Symbol.asyncDispose]()
`

/** The engine and its worker as `npm run build` lays them out, in a directory of their own. */
async function runBundled(plane: string, hasFfi: boolean): Promise<string> {
  const directory = await mkdtemp(join(tmpdir(), 'baton-bundle-'))
  try {
    const common: BuildOptions = {
      bundle: true,
      platform: 'node',
      format: 'esm',
      target: 'node20',
      external: ['koffi'],
    }
    const resolveDir = import.meta.dirname
    await build({
      ...common,
      stdin: { contents: program, resolveDir, loader: 'ts' },
      outfile: join(directory, 'main.mjs'),
    })
    const entryPoints = [join(resolveDir, 'worker.ts')]
    await build({ ...common, entryPoints, outfile: join(directory, 'userspace-worker.mjs') })
    const modules = join(import.meta.dirname, '../../../node_modules')
    if (hasFfi) await symlink(modules, join(directory, 'node_modules'))
    const { stdout } = await promisify(execFile)(process.execPath, [join(directory, 'main.mjs'), plane], {
      timeout: 15_000,
    })
    return stdout.trim()
  } catch (error) {
    return error instanceof Error && 'stderr' in error ? String(error.stderr) : String(error)
  } finally {
    await rm(directory, { recursive: true, force: true })
  }
}

describe('the bundled engine', () => {
  test('takes the epoll plane where system calls can be made', async () => {
    expect(await runBundled('auto', true)).toBe('epoll')
  })

  test('falls back to Node’s own sockets without the FFI library', async () => {
    expect(await runBundled('auto', false)).toBe('net')
  })

  test('says why a plane that was asked for cannot run', async () => {
    expect(await runBundled('epoll', false)).toMatch(/unsupported[\s\S]*epoll plane|system calls cannot be made/u)
  })
})
