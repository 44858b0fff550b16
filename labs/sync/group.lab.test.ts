/** Two directors that synchronise their connections over a real group, in namespaces; and somebody on the link who means harm. */
import { execFile } from 'node:child_process'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import type { Engine } from '../../src/engines/engine.ts'
import { fakeEngine } from '../../src/engines/fake/fake.ts'
import type { SyncDaemon, SyncRole } from '../../src/lvs/edit.ts'
import type { PortableConnection } from '../../src/lvs/portable-connection.ts'
import { defaultTimeouts } from '../../src/lvs/settings.ts'
import type { SyncCounts } from '../../src/lvs/sync-daemon.ts'
import { listInterfaces } from '../../src/os/interfaces.ts'
import { type GroupSender, hearGroup, openGroupSender } from '../../src/os/multicast.ts'
import { enterNetworkNamespace } from '../../src/os/network-namespace.ts'
import { Gate } from '../../src/sync/gate.ts'
import { received, recordOf } from '../../src/sync/records.ts'
import { Sealer } from '../../src/sync/seal.ts'
import { synchronisedEngine } from '../../src/sync/synchronised.ts'
import { decodeSync, SyncWriter } from '../../src/wire/ipvs-sync.ts'
import { until } from '../ha/world.ts'
import { isRoot } from '../net/namespaces.ts'
import { hostileDatagrams } from './hostile.ts'

const execute = promisify(execFile)
const places = ['a', 'b'].map((end) => `baton-sync-${process.pid}-${end}`)
const within = () => ({ signal: AbortSignal.timeout(60_000) })
const group = '224.0.0.81'
/** Made up, through a real socket. */
const datagrams = Number(process.env['HA_LAB_DATAGRAMS'] ?? 100_000)

function enter(place: number): void {
  enterNetworkNamespace(`/run/netns/${places[place]}`)
}

beforeAll(async () => {
  if (!isRoot()) return
  for (const place of places) await execute('ip', ['netns', 'add', place])
  const [a = '', b = ''] = places
  await execute('ip', ['-n', a, 'link', 'add', 'eth0', 'type', 'veth', 'peer', 'name', 'eth0', 'netns', b])
  for (const [at, place] of places.entries()) {
    await execute('ip', ['-n', place, 'address', 'add', `10.77.0.${at + 1}/24`, 'dev', 'eth0'])
    await execute('ip', ['-n', place, 'address', 'add', `fd77::${at + 1}/64`, 'dev', 'eth0', 'nodad'])
    await execute('ip', ['-n', place, 'link', 'set', 'eth0', 'up'])
  }
})
const engines: Engine[] = []
afterEach(async () => {
  for (const engine of engines.splice(0)) await engine[Symbol.asyncDispose]()
})
afterAll(async () => {
  for (const place of places) await execute('ip', ['netns', 'delete', place]).catch(() => undefined)
})

const connection = (port: number): PortableConnection => ({
  kind: 'connection', protocol: 'tcp', client: { address: '203.0.113.5', port }, service: { address: '10.50.0.1', port: 80 },
  server: { address: '10.9.0.2', port: 8080 }, mark: 0, forwarding: 'masq', isInputOnly: false, state: 'ESTABLISHED',
  timeoutSeconds: 900,
}) // biome-ignore format: one connection

/** IPVS in memory with a service; its daemon's sockets are in that namespace, as its thread begins there. */
async function director(place: number, role: SyncRole, over: Partial<SyncDaemon> = {}): Promise<Engine> {
  enter(place)
  const engine = synchronisedEngine(fakeEngine({ nowMs: () => 0 }))
  engines.push(engine)
  const id = { kind: 'address', protocol: 'tcp', address: '10.50.0.1', port: 80 } as const
  const server = {
    address: '10.9.0.2',
    port: 8080,
    forwarding: 'masq',
    weight: 1,
    upperThreshold: 0,
    lowerThreshold: 0,
  } as const
  const service = { id, scheduler: 'rr', schedulerFlags: [], onePacket: false } as const
  await engine.apply(
    [
      { kind: 'service.add', service },
      { kind: 'server.add', id, server },
    ],
    within(),
  )
  if (role === 'master') await engine.takeConnections([1001, 1002, 1003].map(connection), within())
  const daemon: SyncDaemon = { role, interface: 'eth0', syncId: 7, group, port: 8848, ttl: 1, ...over }
  await engine.apply([{ kind: 'daemon.start', daemon }], within())
  return engine
}

async function standing(engine: Engine): Promise<number[]> {
  const ports: number[] = []
  for await (const { client } of engine.connections(within())) ports.push(client.port)
  return ports.sort((a, b) => a - b)
}

async function counts(engine: Engine): Promise<SyncCounts> {
  const [status] = (await engine.synchronisation?.(within())) ?? []
  if (status?.counts === undefined) throw new Error('no daemon runs')
  return status.counts
}

function sender(place: number): GroupSender {
  enter(place)
  const index = listInterfaces().find(({ name }) => name === 'eth0')?.index ?? 0
  return openGroupSender({ group, port: 8848, ttl: 1, link: { name: 'eth0', index }, bufferBytes: 1 << 20 })
}

function messageOf(syncId: number, ...ports: number[]): Uint8Array {
  const writer = new SyncWriter(syncId, 1472)
  for (const port of ports) writer.add(recordOf(connection(port)))
  return writer.take() ?? new Uint8Array()
}

describe.skipIf(!isRoot())('over a real group', () => {
  test.each([
    { name: 'IPv4', over: {} },
    { name: 'IPv6', over: { group: 'ff02::81' } },
  ])('a backup that joins late has what stood at the master, $name', async ({ over }) => {
    await director(0, 'master', over)
    const backup = await director(1, 'backup', over)
    await until('all connections are there', async () => (await standing(backup)).length === 3)
    expect(await standing(backup)).toEqual([1001, 1002, 1003])
    await until('it knows that those were all', async () => (await counts(backup)).transfer === 'had')
  })

  test('with a key nothing else is heard', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'baton-sync-'))
    try {
      const keyFile = join(folder, 'key')
      await writeFile(keyFile, 'a key that both directors have', { mode: 0o600 })
      await director(0, 'master', { keyFile })
      const backup = await director(1, 'backup', { keyFile })
      await until('all connections are there', async () => (await standing(backup)).length === 3)
      using stranger = sender(0)
      stranger.send(messageOf(7, 6666))
      await until('a stranger is refused', async () => (await counts(backup)).refused['unsealed'] === 1)
      expect(await standing(backup)).toEqual([1001, 1002, 1003])
    } finally {
      await rm(folder, { recursive: true })
    }
  })

  test('what a kernel would say is taken; another id, and datagrams made up, are not, and do no harm', {
    timeout: 600_000,
  }, async () => {
    const backup = await director(1, 'backup')
    using link = sender(0)
    link.send(messageOf(7, 5001))
    link.send(messageOf(8, 5002))
    await until('the other id is counted', async () => (await counts(backup)).refused['sync-id'] === 1)
    await until('the connection is there', async () => (await standing(backup)).includes(5001))
    const make = hostileDatagrams([messageOf(9, 1, 2, 3)], 77)
    const before = process.memoryUsage().rss
    for (let sent = 0; sent < datagrams; sent++) {
      const datagram = make()
      if (datagram.length > 1) link.send(datagram.with(1, 9))
      if (sent % 500 === 0) await new Promise((resolve) => setImmediate(resolve))
    }
    link.send(messageOf(7, 5003))
    await until('it hears on', async () => {
      link.send(messageOf(7, 5003))
      return (await standing(backup)).includes(5003)
    })
    expect(await standing(backup)).toEqual([5001, 5003])
    const { refused } = await counts(backup)
    const grownMiB = (process.memoryUsage().rss - before) / 2 ** 20
    console.log(
      `${datagrams} datagrams through a socket: ${refused['malformed']} malformed, ${grownMiB.toFixed(0)} MiB more than before`,
    )
    expect(refused['malformed']).toBeGreaterThan(1000)
    expect(grownMiB).toBeLessThan(256)
  })

  test('nothing of what is sent comes back to its own machine', async () => {
    enter(0)
    const index = listInterfaces().find(({ name }) => name === 'eth0')?.index ?? 0
    const heard: Uint8Array[] = []
    using _hearing = hearGroup({ group, port: 8848, link: { name: 'eth0', index }, bufferBytes: 1 << 16 }, (one) =>
      heard.push(one.slice()),
    )
    using own = sender(0)
    using other = sender(1)
    own.send(Uint8Array.of(1))
    other.send(Uint8Array.of(2))
    await until('the other is heard', async () => heard.length > 0)
    expect(heard).toEqual([Uint8Array.of(2)])
  })
})

describe('a million datagrams that somebody made up', () => {
  const key = Buffer.from('a key that both directors have')
  const now = 1_700_000_000_000n
  const sealer = new Sealer({ syncId: 7, key, sender: 1n })
  const good = [
    messageOf(7, 1, 2, 3),
    sealer.records(messageOf(7, 4), now),
    sealer.seal('request', new Uint8Array(), now),
  ]

  test('are refused or read, never more than they hold; with a key none is let in', { timeout: 170_000 }, () => {
    const [open, keyed] = [new Gate(7, undefined), new Gate(7, key)]
    const make = hostileDatagrams(good, 4711)
    let [read, admitted, sealed] = [0, 0, 0]
    for (const one of good.slice(1)) keyed.admit(one, now)
    const before = process.memoryUsage().heapUsed
    for (let made = 0; made < 1_000_000; made++) {
      const datagram = make()
      const entered = open.admit(datagram, now)
      if (entered.kind === 'records') {
        admitted += 1
        const { connections } = received(decodeSync(entered.message), defaultTimeouts)
        if (connections.length * 24 > datagram.length) throw new Error('more than it holds')
        read += connections.length
      }
      // Every fifth: a seal costs more than all the rest.
      if (made % 5 === 0) sealed += Number(keyed.admit(datagram, now).kind !== 'refused')
    }
    expect(admitted).toBeGreaterThan(100_000)
    expect(read).toBeGreaterThan(100_000)
    expect(sealed).toBe(0)
    expect(process.memoryUsage().heapUsed - before).toBeLessThan(200 * 1024 * 1024)
  })
})
