/** How fast domains are listed: one call on an open connection against `virsh list --all` as a process, alternating, medians. */
import { spawnSync } from 'node:child_process'
import { performance } from 'node:perf_hooks'
import { startLibvirt, withUri } from '../../labs/libvirt/daemon.ts'
import { findDaemon, openLibvirt } from '../../src/guests/libvirt/open.ts'
import { localHost } from '../../src/hosts/local/local.ts'

const rounds = 31
const goal = 20

await using daemon = await startLibvirt()
const options = { signal: AbortSignal.timeout(120_000) }
const connection = await withUri(daemon.uri, async () =>
  openLibvirt(localHost(), await findDaemon(localHost(), options), options),
)
const ours: number[] = []
const theirs: number[] = []
for (let round = 0; round < rounds; round += 1) {
  const begun = performance.now()
  await connection.call('connectListAllDomains', [1, 0], options)
  const called = performance.now()
  const { status } = spawnSync('virsh', ['-c', daemon.uri, 'list', '--all'], { stdio: 'ignore', timeout: 20_000 })
  if (status !== 0) throw new Error(`virsh list ended with ${status}`)
  ours.push(called - begun)
  theirs.push(performance.now() - called)
}
connection.close()
const median = (times: readonly number[]): number =>
  times.toSorted((a, b) => a - b)[Math.floor(rounds / 2)] ?? Number.NaN
const ratio = median(theirs) / median(ours)
console.log(`listing domains: ${median(ours).toFixed(2)} ms; virsh: ${median(theirs).toFixed(1)} ms`)
console.log(`ratio ${ratio.toFixed(0)} (goal: at least ${goal})`)
if (ratio < goal) process.exitCode = 1
