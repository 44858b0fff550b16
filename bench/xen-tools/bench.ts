/**
 * How long a guest of Debian takes to make: xen-create-image of xen-tools against Baton's, in turns. Baton's first one makes the
 * base, unless there is one; the others are copies of it. The original has no such thing: each of its guests is bootstrapped.
 */
import { spawnSync } from 'node:child_process'
import { mkdir, mkdtemp, rm, stat } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { performance } from 'node:perf_hooks'

const goal = 10
const root = join(import.meta.dirname, '../..')
const directory = await mkdtemp(join(tmpdir(), 'baton-bench-xen-tools-'))
await mkdir(`${directory}/etc`)

/** Seconds. `--cache=no` of the original leaves out copying all packages of the host into the guest, which only makes it slower. */
function make([program = '', ...front]: readonly string[], name: string): number {
  const place = [`--dir=${directory}`, `--output=${directory}/etc`, '--nohosts']
  const words = [
    `--hostname=${name}`,
    ...place,
    '--dhcp',
    '--dist=bookworm',
    '--size=2G',
    '--swap=128M',
    '--memory=256M',
  ]
  const begun = performance.now()
  const { status, stdout, stderr } = spawnSync(program, [...front, ...words], { encoding: 'utf8', timeout: 900_000 })
  if (status !== 0) throw new Error(`${program} ended with ${status}: ${stdout.slice(-2000)}${stderr.slice(-2000)}`)
  return (performance.now() - begun) / 1000
}

try {
  const baton = [join(root, 'bin/baton'), 'xen-create-image']
  const original = ['/usr/bin/xen-create-image', '--cache=no']
  const first = make(baton, 'first')
  const theirs = make(original, 'theirs')
  const ours = [make(baton, 'second'), make(baton, 'third')].sort((a, b) => a - b)[0] ?? Number.NaN
  for (const name of ['theirs', 'second']) await stat(`${directory}/domains/${name}/disk.img`)
  const ratio = theirs / ours
  console.log(
    `a guest of Debian: ${ours.toFixed(1)} s from a base (the first: ${first.toFixed(1)} s); xen-tools: ${theirs.toFixed(1)} s`,
  )
  console.log(`ratio ${ratio.toFixed(1)} (goal: at least ${goal})`)
  if (ratio < goal) process.exitCode = 1
} finally {
  await rm(directory, { recursive: true, force: true })
}
