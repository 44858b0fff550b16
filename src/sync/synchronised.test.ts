import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, describe, expect, test, vi } from 'vitest'
import { buildServer, buildService } from '../../test/build/services.ts'
import type { Engine } from '../engines/engine.ts'
import { type FakeEngine, fakeEngine } from '../engines/fake/fake.ts'
import { noPorting, portsNothing } from '../engines/porting.ts'
import { InfraError } from '../errors.ts'
import type { SyncDaemon, SyncRole } from '../lvs/edit.ts'
import type { Packet } from '../lvs/packet.ts'
import type { ServiceId } from '../lvs/service.ts'
import { joined } from '../wire/joined.ts'
import type { Note, Side } from './calls.ts'
import type { OpenSyncLink } from './link.ts'
import { synchronisedEngine } from './synchronised.ts'

const within = () => ({ signal: AbortSignal.timeout(10_000) })
const id: ServiceId = { kind: 'address', protocol: 'tcp', address: '10.50.0.1', port: 80 }
const daemon = (role: SyncRole, over: Partial<SyncDaemon> = {}): SyncDaemon => ({
  role, interface: 'eth0', syncId: 7, group: '224.0.0.81', port: 8848, ttl: 1, ...over,
}) // biome-ignore format: one daemon

/** A group in memory: what a master says all backups hear, and the other way round. */
function group() {
  const stations: { readonly sides: Map<SyncRole, Side>; readonly tell: (note: Note) => void }[] = []
  const openLink: OpenSyncLink = async (tell) => {
    const own = { sides: new Map<SyncRole, Side>(), tell }
    stations.push(own)
    const others = (role: SyncRole) => stations.filter((one) => one !== own && one.sides.has(role))
    return {
      async start(side) {
        if (side.interface === 'none')
          throw new InfraError('not-found', 'there is no interface none', { subject: 'none' })
        own.sides.set(side.role, side)
      },
      stop: async (role) => void own.sides.delete(role),
      async send(messages) {
        const ends = messages.map((_, at) => messages.slice(0, at + 1).reduce((sum, one) => sum + one.length, 0))
        for (const { tell } of others('backup')) tell({ kind: 'messages', bytes: joined(messages), ends })
      },
      complete: async () => others('backup').forEach(({ tell }) => tell({ kind: 'complete' })),
      request: async () => others('master').forEach(({ tell }) => tell({ kind: 'request' })),
      taken: async () => undefined,
      counts: async () => ({}),
      [Symbol.asyncDispose]: async () => void stations.splice(stations.indexOf(own), 1),
    }
  }
  return { openLink, stations }
}

type Director = { readonly fake: FakeEngine; readonly engine: Engine }

async function director(openLink: OpenSyncLink): Promise<Director> {
  const fake = fakeEngine({ nowMs: () => 0 })
  const engine = synchronisedEngine(fake, openLink)
  const server = buildServer(8080, { address: '10.9.0.2' })
  await engine.apply(
    [
      { kind: 'service.add', service: buildService({ id, scheduler: 'rr' }) },
      { kind: 'server.add', id, server },
    ],
    within(),
  )
  return { fake, engine }
}

function establish({ fake }: Director, port: number): void {
  const client = { address: '203.0.113.5', port }
  const [service, server] = [
    { address: '10.50.0.1', port: 80 },
    { address: '10.9.0.2', port: 8080 },
  ]
  const say = (source: Packet['source'], destination: Packet['destination'], flags: object): void =>
    void fake.receive({ protocol: 'tcp', source, destination, flags } as Packet)
  say(client, service, { syn: true })
  say(server, client, { syn: true, ack: true })
  for (let packets = 0; packets < 4; packets++) say(client, service, { ack: true })
}

async function standing({ engine }: Director): Promise<string[]> {
  const found: string[] = []
  for await (const { client, state } of engine.connections(within())) found.push(`${client.port} ${state}`)
  return found.sort()
}

const soon = (isSo: () => Promise<void>): Promise<void> => vi.waitFor(isSo, { timeout: 10_000 })

async function start({ engine }: Director, one: SyncDaemon): Promise<void> {
  await engine.apply([{ kind: 'daemon.start', daemon: one }], within())
}

const open: Engine[] = []
afterEach(async () => {
  for (const engine of open.splice(0)) await engine[Symbol.asyncDispose]()
})

async function two(): Promise<readonly [Director, Director, ReturnType<typeof group>]> {
  const site = group()
  const directors = [await director(site.openLink), await director(site.openLink)] as const
  open.push(...directors.map(({ engine }) => engine))
  return [...directors, site]
}

describe('an engine that is synchronised', () => {
  test('tells a backup what has changed, and what stood before', async () => {
    const [one, other] = await two()
    establish(one, 1001)
    await start(other, daemon('backup'))
    await start(one, daemon('master'))
    await soon(async () => expect(await standing(other)).toEqual(['1001 ESTABLISHED']))
    establish(one, 1002)
    await soon(async () => expect(await standing(other)).toEqual(['1001 ESTABLISHED', '1002 ESTABLISHED']))
  })

  test('a backup that joins late gets all', async () => {
    const [one, other] = await two()
    await start(one, daemon('master'))
    for (let port = 2000; port < 2100; port++) establish(one, port)
    await start(other, daemon('backup'))
    await soon(async () => {
      expect(await standing(other)).toHaveLength(100)
      expect(await other.engine.synchronisation?.(within())).toMatchObject([
        { counts: { transfer: 'had', waiting: 0 } },
      ])
    })
    expect(await one.engine.synchronisation?.(within())).toMatchObject([{ counts: { transfer: 'told', dropped: 0 } }])
  })

  test('both ways at a time: nothing goes round', async () => {
    const [one, other] = await two()
    for (const side of [one, other]) for (const role of ['master', 'backup'] as const) await start(side, daemon(role))
    establish(one, 3001)
    establish(other, 3002)
    const both = ['3001 ESTABLISHED', '3002 ESTABLISHED']
    await soon(async () => expect([await standing(one), await standing(other)]).toEqual([both, both]))
    const records = async ({ engine }: Director) =>
      (await engine.synchronisation?.(within()))?.map(({ counts }) => counts?.records)
    const before = [await records(one), await records(other)]
    await new Promise((resolve) => setTimeout(resolve, 300))
    expect([await records(one), await records(other)]).toEqual(before)
  })

  test('lists its daemons, master first, and ends its thread with the last one', async () => {
    const [one, , site] = await two()
    await start(one, daemon('backup'))
    await start(one, daemon('master'))
    const { daemons } = await one.engine.info(within())
    expect(daemons.map(({ role, maxLength }) => [role, maxLength])).toEqual([
      ['master', 1472],
      ['backup', 1472],
    ])
    await one.engine.apply([{ kind: 'daemon.stop', role: 'master' }], within())
    expect(site.stations).toHaveLength(1)
    await one.engine.apply([{ kind: 'daemon.stop', role: 'backup' }], within())
    expect(site.stations).toHaveLength(0)
    expect((await one.engine.info(within())).daemons).toEqual([])
  })

  test('one that cannot start changes nothing: neither the daemon before it nor the table', async () => {
    const [one] = await two()
    await start(one, daemon('master', { syncId: 1 }))
    const more = { kind: 'service.add', service: buildService({ id: { ...id, port: 81 } }) } as const
    const bad = { kind: 'daemon.start', daemon: daemon('master', { interface: 'none' }) } as const
    await expect(one.engine.apply([more, bad], within())).rejects.toThrow('no interface none')
    expect(await one.engine.read(within())).toHaveLength(1)
    expect((await one.engine.info(within())).daemons).toMatchObject([{ role: 'master', syncId: 1, interface: 'eth0' }])
  })

  test('a table that cannot be changed leaves its daemons as they were', async () => {
    const [one] = await two()
    one.fake.traffic.failNextApply(new InfraError('busy', 'the port is taken', { subject: 'x' }))
    await expect(start(one, daemon('master'))).rejects.toThrow('the port is taken')
    expect((await one.engine.info(within())).daemons).toEqual([])
  })

  test('an engine whose connections cannot move says so before anything is changed', async () => {
    const fake = fakeEngine()
    const still = { ...fake.capabilities, syncDaemon: false, porting: noPorting }
    const engine = synchronisedEngine({ ...fake, capabilities: still, ...portsNothing('fake') }, group().openLink)
    await expect(engine.apply([{ kind: 'daemon.start', daemon: daemon('master') }], within())).rejects.toThrow(
      'the fake engine does not synchronise connections: its connections are sockets',
    )
  })
})

describe('the key of a daemon', () => {
  const keyed = async (mode: number, content: string): Promise<unknown> => {
    const folder = await mkdtemp(join(tmpdir(), 'baton-key-'))
    try {
      const keyFile = join(folder, 'key')
      await writeFile(keyFile, content, { mode })
      const [one] = await two()
      return await start(one, daemon('master', { keyFile })).then(
        () => 'started',
        (error: unknown) => error,
      )
    } finally {
      await rm(folder, { recursive: true })
    }
  }
  test('is taken from a file that others cannot read', async () => {
    expect(await keyed(0o600, 'sixteen bytes or more\n')).toBe('started')
  })

  test.each([
    { name: 'everybody may read', mode: 0o644, content: 'sixteen bytes or more', code: 'permission' },
    { name: 'is too short', mode: 0o600, content: '   fifteen bytes!  ', code: 'invalid' },
    { name: 'is too long', mode: 0o600, content: 'x'.repeat(5000), code: 'invalid' },
  ])('one that $name is refused', async ({ mode, content, code }) => {
    expect(await keyed(mode, content)).toMatchObject({ code })
  })

  test('one that is not there is refused, with how to make one', async () => {
    const [one] = await two()
    await expect(start(one, daemon('master', { keyFile: '/nowhere/key' }))).rejects.toMatchObject({
      code: 'not-found',
      hint: expect.stringContaining('openssl rand'),
    })
  })
})
