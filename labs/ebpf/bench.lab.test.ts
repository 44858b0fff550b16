/** The benchmark runs at all, and judges what it measures. Its figures are for a machine that does nothing else. */
import { expect, test } from 'vitest'
import { execute } from './world.ts'

test('npm run bench:ebpf measures each figure of each way, beside its goal', async () => {
  const program = new URL('../../bench/ebpf/bench.ts', import.meta.url).pathname
  const command = ['--import', 'tsx', program, '--short', '--ways', 'masq,tunnel,nftables']
  const { stdout } = await execute(process.execPath, command, { timeout: 110_000 })
  const cell = String.raw`[\d.]+ \([\d.]+(\/[\d.]+!?)?\)`
  for (const figure of ['connect/s', 'request/s', 'bulk Gbit/s', 'small UDP/s', 'CPU µs a connect', 'CPU µs a request'])
    expect(stdout).toMatch(new RegExp(`^${figure}(\\s+${cell}){4}$`, 'mu'))
  expect(stdout).toMatch(/NAT \d+, its reply \d+, direct \d+, not ours \d+/u)
  for (const scheduler of ['rr', 'wrr', 'sh', 'mh', 'lc', 'wlc', 'sed', 'nq'])
    expect(stdout).toMatch(new RegExp(`^${scheduler} +\\d+/\\d+ +\\d+/\\d+`, 'mu'))
  expect(stdout).toMatch(/^ +1000 {2}\d+\/\d+$/mu)
  expect(stdout).toMatch(/^short of a goal: |^all goals are met/mu)
})
