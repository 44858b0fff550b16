/** The same table on the kernel's IPVS, by its own ipvsadm, in the guest of labs/ipvs. Times are virtual. */
import { type KernelIpvs, kernelIpvs } from '../../labs/ipvs/guest.ts'
import { worldSteps } from '../../labs/ipvs/world.ts'
import { editArguments, type Figures, median, ruleLines, type Size } from './table.ts'

/** So many services go over in one request: the guest is slow, and each request has a deadline. */
const servicesAtOnce = 250

export async function measureKernel(size: Size, rounds: number): Promise<Figures> {
  await using guest = await kernelIpvs({ signal: AbortSignal.timeout(3_600_000) })
  await guest.do(worldSteps(false))
  const rules = ruleLines(size)
  const empty = await freeBytes(guest)
  const baselineMs = await timed(guest, ['-Ln'])
  let loadMs = 0
  for (let at = 0; at < rules.length; at += servicesAtOnce)
    loadMs += await timed(guest, ['-R'], `${rules.slice(at, at + servicesAtOnce).join('\n')}\n`)
  const bytes = empty - (await freeBytes(guest))
  const listMs = await timed(guest, ['-Ln'])
  const edits: number[] = []
  for (let round = 0; round < rounds * 3; round += 1) edits.push(await timed(guest, editArguments(size, 2 + round)))
  return { loadMs, listMs, editMs: median(edits), baselineMs, bytes }
}

async function timed(guest: KernelIpvs, arguments_: readonly string[], input = ''): Promise<number> {
  const [ran, after] = await guest.do([
    { kind: 'run', command: ['ipvsadm', ...arguments_], input },
    { kind: 'read', file: '/proc/uptime' },
  ])
  if (ran.code !== 0) throw new Error(`ipvsadm ${arguments_[0]} in the guest: ${ran.code} ${ran.stderr.slice(0, 300)}`)
  return after.atMs - ran.atMs
}

async function freeBytes(guest: KernelIpvs): Promise<number> {
  const [{ content }] = await guest.do([{ kind: 'read', file: '/proc/meminfo' }])
  return Number(/^MemFree:\s+(\d+)/m.exec(content)?.[1]) * 1024
}
