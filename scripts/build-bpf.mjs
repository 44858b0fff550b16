// Builds the eBPF director (bpf/director.bpf.o) with clang. The object is part of the repository: who only runs Baton needs
// no compiler. `--check` builds it aside and says whether the committed one is what these sources give.
import { mkdtemp, readFile, rename, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { isMain, root } from './paths.mjs'
import { run } from './run.mjs'
import { runScript, setup } from './setup.mjs'

const source = 'bpf/director.bpf.c'
const object = join(root, 'bpf/director.bpf.o')

const warnings = ['-Wall', '-Wextra', '-Wno-unused-parameter', '-Werror']
/** Where Debian has the headers that differ by architecture; bytecode is the same for all of them. */
const headers = ['x86_64', 'aarch64'].map((name) => `-I/usr/include/${name}-linux-gnu`)

/** The object's bytes, or what the compiler says. */
async function buildBpf() {
  const folder = await mkdtemp(join(tmpdir(), 'baton-bpf-'))
  const file = join(folder, 'built.o')
  try {
    // v3: atomic operations that return a value. -g: the types that libbpf makes the maps by.
    const flags = ['-O2', '-g', '-target', 'bpf', '-mcpu=v3', '-fdebug-compilation-dir=.', ...warnings, ...headers]
    const built = await run(['clang', ...flags, '-c', source, '-o', file])
    if (built.code !== 0) return { problem: built.output }
    // What a debugger would read; the types stay.
    const stripped = await run(['llvm-strip', '-g', file])
    if (stripped.code !== 0) return { problem: stripped.output }
    return { bytes: await readFile(file) }
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
}

async function main() {
  await setup({ packages: 'test' })
  const { bytes, problem } = await buildBpf()
  if (bytes === undefined) {
    console.error(problem.trimEnd())
    return 1
  }
  if (process.argv.includes('--check')) {
    const isSame = bytes.equals(await readFile(object))
    console.log(isSame ? 'bpf: the object is what its sources give' : 'bpf: the object is stale: npm run build:bpf')
    return isSame ? 0 : 1
  }
  await writeFile(`${object}.new`, bytes)
  await rename(`${object}.new`, object)
  console.log(`built bpf/director.bpf.o, ${bytes.length} bytes`)
  return 0
}

if (isMain(import.meta.url)) await runScript(main)
