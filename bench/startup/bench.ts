/** How fast `baton --help` and `ipvsadm -Ln` are: the built program against Node doing nothing, alternating, medians. */
import { spawn, spawnSync } from 'node:child_process'
import { existsSync, mkdtempSync, rmSync, symlinkSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { performance } from 'node:perf_hooks'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'

const rounds = 31
const program = fileURLToPath(new URL('../../bin/baton', import.meta.url))
const folder = mkdtempSync(join(tmpdir(), 'baton-startup-'))
const ipvsadm = join(folder, 'ipvsadm')
symlinkSync(program, ipvsadm)
for (const name of ['RUNTIME', 'STATE', 'CACHE']) process.env[`BATON_${name}_DIR`] = join(folder, name)

/** `goal`: at most so many times as long as Node doing nothing. */
const candidates = [
  { name: 'node -e 0', args: ['-e', '0'], goal: 1, times: new Array<number>() },
  { name: 'baton --help', args: [program, '--help'], goal: 1.6, times: new Array<number>() },
  { name: 'ipvsadm -Ln', args: [ipvsadm, '-Ln'], goal: 2, times: new Array<number>() },
]

const director = spawn(process.execPath, [program, 'director', '--engine', 'fake'], { stdio: 'ignore' })
try {
  for (let waitedMs = 0; !existsSync(join(folder, 'RUNTIME/director.sock')); waitedMs += 50) {
    if (waitedMs > 20_000) throw new Error('the director does not start: run npm run build first')
    await sleep(50)
  }
  for (let round = 0; round < rounds; round++)
    for (const { args, times } of candidates) {
      const startedMs = performance.now()
      const { status } = spawnSync(process.execPath, args, { stdio: 'ignore', timeout: 20_000 })
      if (status !== 0) throw new Error(`node ${args.join(' ')} ended with ${status}: run npm run build first`)
      times.push(performance.now() - startedMs)
    }
} finally {
  if (director.kill()) await new Promise((resolve) => director.once('exit', resolve))
  rmSync(folder, { recursive: true, force: true })
}

let nothingMs = Number.NaN
for (const { name, times, goal } of candidates) {
  const median = times.sort((a, b) => a - b)[Math.floor(rounds / 2)] ?? Number.NaN
  if (Number.isNaN(nothingMs)) nothingMs = median
  const ratio = median / nothingMs
  console.log(`${name.padEnd(13)} ${median.toFixed(1)} ms, ratio ${ratio.toFixed(2)} (goal: at most ${goal})`)
  if (ratio > goal) process.exitCode = 1
}
