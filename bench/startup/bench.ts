/** How fast `baton --help` is: the built program against Node doing nothing, alternating, medians. */
import { spawnSync } from 'node:child_process'
import { performance } from 'node:perf_hooks'
import { fileURLToPath } from 'node:url'

const rounds = 31
const goal = 1.6
const program = fileURLToPath(new URL('../../bin/baton', import.meta.url))

const candidates = [
  { name: 'node -e 0', args: ['-e', '0'], times: new Array<number>() },
  { name: 'baton --help', args: [program, '--help'], times: new Array<number>() },
]

for (let round = 0; round < rounds; round++)
  for (const { args, times } of candidates) {
    const startedMs = performance.now()
    const { status } = spawnSync(process.execPath, args, { stdio: 'ignore', timeout: 20_000 })
    if (status !== 0) throw new Error(`node ${args.join(' ')} ended with ${status}: run npm run build first`)
    times.push(performance.now() - startedMs)
  }

const [nothing = Number.NaN, help = Number.NaN] = candidates.map(({ name, times }) => {
  const median = times.sort((a, b) => a - b)[Math.floor(rounds / 2)] ?? Number.NaN
  console.log(`${name.padEnd(13)} ${median.toFixed(1)} ms`)
  return median
})
const ratio = help / nothing
console.log(`ratio         ${ratio.toFixed(2)} (goal: at most ${goal})`)
if (ratio > goal) process.exitCode = 1
