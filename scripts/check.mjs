// Everything that can be said about the code without running it. All steps run, also after one has failed.
import { readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { isMain, root } from './paths.mjs'
import { run } from './run.mjs'
import { runScript, setup } from './setup.mjs'

const bin = (name) => join(root, 'node_modules/.bin', name)

const steps = [
  { name: 'types', command: [process.execPath, join(root, 'node_modules/tsc7/bin/tsc'), '-p', '.'] },
  { name: 'lint', command: [bin('oxlint'), '--type-aware'] },
  { name: 'format', command: [bin('biome'), 'check', '--linter-enabled=false', '.'] },
  { name: 'boundaries', command: [bin('depcruise'), '--output-type', 'json', 'src'], judge: judgeBoundaries },
  { name: 'dead code', command: [bin('knip'), '--no-progress'] },
]

/** Runs every step, prints a line for each, and gives back how many passed and failed. */
export async function check() {
  const result = { passed: 0, failed: 0 }
  for (const { name, command, judge } of steps) {
    const startedAt = Date.now()
    const ended = await run(command)
    const { passed, text } = judge === undefined ? { passed: ended.code === 0, text: ended.output } : await judge(ended)
    const seconds = ((Date.now() - startedAt) / 1000).toFixed(1)
    result[passed ? 'passed' : 'failed']++
    console.log(`check: ${passed ? 'passed' : 'FAILED'} ${name} (${seconds} s)${passed && judge ? `: ${text}` : ''}`)
    if (!passed) console.log(text.trimEnd().replaceAll(/^/gm, '  '))
  }
  return result
}

/** dependency-cruiser is content with a tree it could not read: so it must have seen every source file. */
async function judgeBoundaries({ output }) {
  const sources = (await readdir(join(root, 'src'), { recursive: true })).filter((name) => name.endsWith('.ts'))
  const report = parseReport(output)
  if (report === undefined) return { passed: false, text: output }
  const { modules, summary } = report
  const cruised = modules.filter(({ source }) => source.startsWith('src/')).length
  const found = summary.violations
    .filter(({ rule }) => rule.severity === 'error')
    .map(({ rule, from, to }) => `${rule.name}: ${from} → ${to}`)
  if (cruised < sources.length) found.push(`only ${cruised} of ${sources.length} source files were looked at`)
  return { passed: found.length === 0, text: found.join('\n') || `${cruised} modules, no import runs upwards` }
}

function parseReport(output) {
  try {
    return JSON.parse(output)
  } catch {
    return undefined
  }
}

if (isMain(import.meta.url)) {
  await runScript(async () => {
    await setup({ packages: 'none' })
    const { passed, failed } = await check()
    console.log(`${passed} passed, ${failed} failed`)
    return failed === 0 ? 0 : 1
  })
}
