// Runs the benchmarks, one after the other: each prints ratios against a peer in the same run.
// `npm run bench -- startup plan` runs only these.
import { existsSync } from 'node:fs'
import { readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { isMain, root } from './paths.mjs'
import { run } from './run.mjs'
import { runScript, setup } from './setup.mjs'

async function bench(wanted) {
  await setup({ packages: 'test' })
  const all = (await readdir(join(root, 'bench'))).filter((name) => existsSync(join(root, 'bench', name, 'bench.ts')))
  const unknown = wanted.filter((name) => !all.includes(name))
  if (unknown.length > 0) {
    console.error(`bench: no benchmark ${unknown.join(', ')}; there are ${all.join(', ')}`)
    return 64
  }
  const failed = []
  for (const name of wanted.length > 0 ? wanted : all) {
    console.log(`\n== ${name}`)
    const tsx = join(root, 'node_modules/tsx/dist/cli.mjs')
    const { code } = await run([process.execPath, tsx, join(root, 'bench', name, 'bench.ts')], { show: true })
    if (code !== 0) failed.push(name)
  }
  if (failed.length > 0) console.error(`\nbench: short of its goal, or failed: ${failed.join(', ')}`)
  return failed.length === 0 ? 0 : 1
}

if (isMain(import.meta.url)) await runScript(() => bench(process.argv.slice(2)))
