/**
 * How many connections a second a backup takes over: a master in a namespace of its own tells them in the kernel's protocol, over a
 * real group, to a director on the eBPF engine, whose table they come to stand in; and to one on the engine in memory. First as
 * fast as the master can, then at the pace of a Baton master. As root. `--connections 1000000 --rate 100000 --engines ebpf,fake`.
 */
import { spawn } from 'node:child_process'
import { createInterface } from 'node:readline'
import { setTimeout as sleep } from 'node:timers/promises'
import { parseArgs } from 'node:util'
import { openBpfWorld } from '../../labs/ebpf/world.ts'
import { openChain } from '../../labs/net/namespaces.ts'
import { ebpfEngine } from '../../src/engines/ebpf/ebpf.ts'
import type { Engine } from '../../src/engines/engine.ts'
import { fakeEngine } from '../../src/engines/fake/fake.ts'
import type { SyncCounts } from '../../src/lvs/sync-daemon.ts'
import { enterNetworkNamespace } from '../../src/os/network-namespace.ts'
import { synchronisedEngine } from '../../src/sync/synchronised.ts'
import { group, server, service, syncId } from './connections.ts'

const { values } = parseArgs({
  options: {
    connections: { type: 'string', default: '1000000' },
    rate: { type: 'string', default: '100000' },
    engines: { type: 'string', default: 'ebpf,fake' },
  },
})
const count = Number(values.connections)
/** What a Baton master tells at most in a second. */
const rate = Number(values.rate)
const lookMs = 20
/** Nothing has come for so long: that was all. */
const quietMs = 2000
const within = () => ({ signal: AbortSignal.timeout(120_000) })

const chain = await openChain(2, 'sync-')
const [left = '', right = ''] = chain.namespaces
let isShort = false
try {
  enterNetworkNamespace(`/run/netns/${right}`)
  console.log(`sync: ${count} connections over a group, as a backup takes them over`)
  for (const name of values.engines.split(',')) await measure(name)
  console.log(`  goal: ${rate} a second taken, none of them lost: ${isShort ? 'short of it' : 'met'}`)
  process.exitCode = isShort ? 1 : 0
} finally {
  await chain[Symbol.asyncDispose]()
}
process.exit()

async function measure(name: string): Promise<void> {
  await using bpf = await openBpfWorld()
  const limits = { connections: Math.max(count, 1000) }
  const base: Engine = name === 'ebpf' ? await ebpfEngine({ ...bpf, limits }) : fakeEngine({ nowMs: () => 0 })
  await using engine = synchronisedEngine(base)
  const daemon = { role: 'backup', interface: 'left0', syncId, ...group, ttl: 1 } as const
  await engine.apply(
    [
      { kind: 'service.add', service },
      { kind: 'server.add', id: service.id, server },
      { kind: 'daemon.start', daemon },
    ],
    within(),
  )
  await tell(engine, `${name}, as fast as it can`, 0)
  await tell(engine, `${name}, told again at ${rate} a second`, rate)
}

async function counts(engine: Engine): Promise<SyncCounts> {
  const [status] = (await engine.synchronisation?.(within())) ?? []
  if (status?.counts === undefined) throw new Error('no daemon runs')
  return status.counts
}

async function tell(engine: Engine, what: string, pace: number): Promise<void> {
  const words = ['--import', import.meta.resolve('tsx'), new URL('sender.ts', import.meta.url).pathname]
  const numbers = ['right0', '0', String(count), String(pace)]
  const inside = [`--net=/run/netns/${left}`, process.execPath, ...words, ...numbers]
  const child = spawn('nsenter', inside, { stdio: ['pipe', 'pipe', 'inherit'] })
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]()
  await lines.next()
  const before = await counts(engine)
  const used = process.cpuUsage()
  const began = performance.now()
  child.stdin.write('go\n')
  let lastMs = began
  let taken = 0
  while (performance.now() - lastMs < quietMs) {
    await sleep(lookMs)
    const now = (await counts(engine)).records - before.records
    if (now !== taken) lastMs = performance.now()
    taken = now
    if (taken >= count) break
  }
  const seconds = (lastMs - began) / 1000
  const { user, system } = process.cpuUsage(used)
  const after = await counts(engine)
  const perSecond = taken / seconds
  const queued = (after.refused['queue'] ?? 0) - (before.refused['queue'] ?? 0)
  const engineRefused = (after.recordsRefused['engine'] ?? 0) - (before.recordsRefused['engine'] ?? 0)
  console.log(
    `  ${what}: ${perSecond.toFixed(0)} a second for ${seconds.toFixed(1)} s, ${taken} taken, ${count - taken} lost ` +
      `(${queued} messages for want of room, ${engineRefused} records by the engine); ${((user + system) / taken).toFixed(2)} us of processor each`,
  )
  if (pace > 0 && (taken < count || perSecond < 0.95 * pace)) isShort = true
  child.kill('SIGKILL')
}
