/** The life of an engine: taken up again, kept apart, emptied by time, flooded, and gone without a trace. */
import { existsSync, mkdirSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { layoutVersion } from '../../src/engines/ebpf/layout.ts'
import { addServer, addService, aServer, aService, errorOf, within } from '../../src/engines/engine.contract.ts'
import type { Connection, Engine, EngineChange, EngineReport, ServiceSnapshot } from '../../src/engines/engine.ts'
import type { ServiceId } from '../../src/lvs/service.ts'
import { decodeFrame, encodeFrame, type TcpFlag } from '../ipvs/packets.ts'
import { eventually } from '../net/loopback.ts'
import { attachedPrograms, openPacketWorld, type PacketWorld } from './packet-world.ts'
import { execute } from './world.ts'

type AddressId = Extract<ServiceId, { kind: 'address' }>

const web: AddressId = { kind: 'address', protocol: 'tcp', address: '10.50.0.1', port: 80 }
const names: AddressId = { kind: 'address', protocol: 'udp', address: '10.50.0.1', port: 53 }

function request(id: AddressId, client: number, flags: TcpFlag[] = ['syn']): Uint8Array {
  const from = { address: `198.51.${100 + (client >> 15)}.7`, port: 1024 + (client & 0x7fff) }
  return encodeFrame({ protocol: id.protocol, from, to: id, flags, chunks: [], payload: '', mark: 0 })
}

/** The server's number that a new client is sent to. */
function picked(world: PacketWorld, id: AddressId, client: number): string {
  const { verdict, frame } = world.run(request(id, client))
  const found = verdict === 'send' ? decodeFrame(frame) : undefined
  return found?.kind === 'packet' ? (found.to.address.split('.').at(-1) ?? '') : verdict
}

async function listed(engine: Engine): Promise<Connection[]> {
  const all: Connection[] = []
  for await (const connection of engine.connections(within())) all.push(connection)
  return all
}

/** Time goes on between two listings. */
const timeless = (all: readonly Connection[]): unknown[] =>
  all.map((connection) => ({ ...connection, expiresSeconds: 0 }))

const one = async (engine: Engine, id: ServiceId): Promise<ServiceSnapshot | undefined> =>
  (await engine.read({ ...within(), only: [id] }))[0]
const counts = async (engine: Engine, id: ServiceId): Promise<number[][]> =>
  ((await one(engine, id))?.servers ?? []).map(({ active, inactive }) => [active, inactive])

const servers = (id: ServiceId, ...numbers: number[]): EngineChange[] =>
  numbers.map((number) => addServer(id, aServer(8080, { address: `10.50.0.${number}` })))
const settings = (change: Extract<EngineChange, { kind: 'settings' }>['settings']): EngineChange => ({
  kind: 'settings',
  settings: change,
})

describe('the life of an eBPF engine', () => {
  test('the next director finds services, servers, their order, connections, counters and settings; rr goes on', async () => {
    await using world = await openPacketWorld()
    const { engine } = world
    const rich = aService(names, { scheduler: 'sh', schedulerFlags: ['sh-port'], idlePersistenceEngine: 'sip' })
    const tunnelled = aServer(53, { address: 'fd50::5', forwarding: 'tunnel', weight: 9, upperThreshold: 5 })
    await engine.apply(
      [addService(rich), addServer(names, tunnelled), addService(aService(web)), ...servers(web, 2, 3, 4)],
      within(),
    )
    await engine.apply([settings({ timeouts: { tcp: 77 }, sysctls: { conn_reuse_mode: 3 } })], within())
    await engine.apply([{ kind: 'server.remove', id: web, server: { address: '10.50.0.3', port: 8080 } }], within())
    await engine.apply(servers(web, 5), within())
    expect([0, 1, 2, 3].map((client) => picked(world, web, client)).join('')).toBe('5425')
    await engine.zero(names, within())
    const before = [await engine.read(within()), await engine.info(within()), timeless(await listed(engine))]
    await engine.release()
    const next = await world.again()
    expect([await next.read(within()), await next.info(within()), timeless(await listed(next))]).toEqual(before)
    expect([4, 5, 6].map((client) => picked(world, web, client)).join('')).toBe('425')
    expect(await counts(next, web)).toEqual([
      [3, 0],
      [2, 0],
      [2, 0],
    ])
  })

  test('a removed server is remembered while it has connections, also by the next director', async () => {
    await using world = await openPacketWorld()
    await world.engine.apply([addService(aService(web)), ...servers(web, 2)], within())
    expect(picked(world, web, 1)).toBe('2')
    await world.engine.apply(
      [{ kind: 'server.remove', id: web, server: { address: '10.50.0.2', port: 8080 } }],
      within(),
    )
    expect(picked(world, web, 1)).toBe('drop')
    await world.engine.release()
    const next = await world.again()
    await next.apply(servers(web, 2), within())
    expect(await counts(next, web)).toEqual([[1, 0]])
    expect(picked(world, web, 1)).toBe('2')
    expect((await one(next, web))?.counters.connections).toBe(1)
  })

  test('an interface has one director', async () => {
    await using world = await openPacketWorld()
    const error = await errorOf(world.again())
    expect(error).toMatchObject({ code: 'busy', retryable: true })
    await world.engine.apply([addService(aService(web))], within())
  })

  test('nothing stays of an engine that ended in order, nor of one of another version', async () => {
    await using world = await openPacketWorld()
    const { directory } = world.engine.program
    expect(attachedPrograms('lan')).toBe(1)
    await world.engine.release()
    mkdirSync(join(directory, 'v0'))
    await world.again()
    expect(readdirSync(directory).sort()).toEqual(['links', `v${layoutVersion}`])
    await world.engine[Symbol.asyncDispose]()
    expect(existsSync(directory)).toBe(false)
    expect(attachedPrograms('lan')).toBe(0)
    await world.again()
  })

  test('filters of clsact do where links are not to be had, and are taken up and away just the same', async () => {
    await using world = await openPacketWorld({ attach: 'clsact' })
    const filters = async (): Promise<string> =>
      (await execute('tc', ['-n', world.namespace, 'filter', 'show', 'dev', 'lan', 'ingress'])).stdout
    expect(await filters()).toContain('director_in')
    await world.engine.apply([addService(aService(web)), ...servers(web, 2)], within())
    await world.engine.release()
    await world.again()
    expect((await filters()).match(/handle 0x1/gu)).toHaveLength(1)
    expect(picked(world, web, 1)).toBe('2')
    await world.engine[Symbol.asyncDispose]()
    expect(await filters()).toBe('')
    await world.again()
  })

  test('new interfaces are joined when a route leads through them', async () => {
    await using world = await openPacketWorld()
    const ip = (...words: string[]): Promise<unknown> => execute('ip', ['-n', world.namespace, ...words])
    const links = (): number => readdirSync(join(world.engine.program.directory, 'links')).length
    const before = links()
    await ip('link', 'add', 'late', 'type', 'veth', 'peer', 'name', 'later')
    await ip('link', 'set', 'later', 'up')
    await ip('address', 'add', '10.60.0.1/24', 'dev', 'late')
    await ip('link', 'set', 'late', 'up')
    await eventually('it is joined', () => attachedPrograms('late') === 1)
    await ip('link', 'delete', 'late')
    await eventually('it is forgotten', () => links() === before)
  })

  test('connections end by time, and every count returns to zero; removed servers are let go of then', async () => {
    await using world = await openPacketWorld()
    const { engine } = world
    await engine.apply(
      [addService(aService(names)), ...servers(names, 2, 3), settings({ timeouts: { udp: 3 } })],
      within(),
    )
    for (let client = 0; client < 2000; client++) world.run(request(names, client))
    expect(await counts(engine, names)).toEqual([
      [0, 1000],
      [0, 1000],
    ])
    expect(await listed(engine)).toHaveLength(2000)
    await engine.apply([{ kind: 'server.remove', id: names, server: { address: '10.50.0.2', port: 8080 } }], within())
    await eventually('all have ended', async () => (await counts(engine, names)).flat().every((count) => count === 0))
    expect(await listed(engine)).toEqual([])
    expect((await one(engine, names))?.counters).toMatchObject({ connections: 2000, packetsIn: 2000 })
    await eventually('rates were seen', async () => ((await one(engine, names))?.rates.connections ?? 0) > 0)
    await eventually(
      'its slot is free',
      () => [0, 1].filter((slot) => engine.program.maps.servers.bytes[128 * slot + 20] !== 0).length === 1,
    )
    expect((await one(engine, names))?.counters).toMatchObject({ connections: 2000, packetsIn: 2000 })
  })

  test('expire_nodest_conn ends the connections of removed servers, and sends their clients elsewhere', async () => {
    await using world = await openPacketWorld()
    const { engine } = world
    await engine.apply(
      [addService(aService(web)), ...servers(web, 2), settings({ sysctls: { expire_nodest_conn: 1 } })],
      within(),
    )
    expect([1, 2, 3].map((client) => picked(world, web, client)).join('')).toBe('222')
    await engine.apply(
      [{ kind: 'server.remove', id: web, server: { address: '10.50.0.2', port: 8080 } }, ...servers(web, 3)],
      within(),
    )
    expect(picked(world, web, 1)).toBe('3')
    await eventually('the others have ended', async () => (await listed(engine)).length === 1)
  })

  test('a flood of SYNs takes no more than its share; what is established stays, and gets through', async () => {
    await using world = await openPacketWorld({ limits: { 'half-open': 200 } })
    const { engine } = world
    await engine.apply([addService(aService(web)), ...servers(web, 2)], within())
    world.run(request(web, 60_000))
    const from = { address: '10.50.0.2', port: 8080 }
    const [standing] = await listed(engine)
    if (standing === undefined) throw new Error('no connection')
    world.run(
      encodeFrame({
        protocol: 'tcp',
        from,
        to: standing.client,
        flags: ['syn', 'ack'],
        chunks: [],
        payload: '',
        mark: 0,
      }),
    )
    world.run(request(web, 60_000, ['ack']))
    const verdicts = Array.from({ length: 1000 }, (_, client) => world.run(request(web, client)).verdict)
    expect(verdicts.filter((verdict) => verdict === 'send')).toHaveLength(200)
    expect(await counts(engine, web)).toEqual([[201, 0]])
    expect(world.run(request(web, 60_000, ['ack'])).verdict).toBe('send')
    await eventually('the flood is forgotten in a few seconds', async () => (await counts(engine, web))[0]?.[0] === 102)
    expect((await listed(engine)).some(({ state }) => state === 'ESTABLISHED')).toBe(true)
    expect(picked(world, web, 5000)).toBe('2')
  })

  test('a full table turns new clients away, and no other', async () => {
    await using world = await openPacketWorld({
      limits: { connections: 64, services: 8, servers: 8, 'table-entries': 1024 },
    })
    await world.engine.apply([addService(aService(names)), ...servers(names, 2)], within())
    const verdicts = Array.from({ length: 100 }, (_, client) => world.run(request(names, client)).verdict)
    expect(verdicts.filter((verdict) => verdict === 'send')).toHaveLength(64)
    expect(world.run(request(names, 3)).verdict).toBe('send')
    const [most] = [Array.from({ length: 9 }, (_, index) => addServer(names, aServer(90 + index)))]
    expect((await errorOf(world.engine.apply(most, within()))).code).toBe('no-space')
    expect((await one(world.engine, names))?.servers).toHaveLength(1)
  })

  test('tables that stand take fewer, as they are told, and no more than they have room for, which is said', async () => {
    await using world = await openPacketWorld({ limits: { connections: 64, services: 8, servers: 8 } })
    await world.engine.apply([addService(aService(names)), ...servers(names, 2)], within())
    const taken = (from: number): number =>
      Array.from({ length: 100 }, (_, client) => world.run(request(names, from + client)).verdict).filter(
        (verdict) => verdict === 'send',
      ).length
    expect(taken(0)).toBe(64)
    await world.engine.release()
    const reports: EngineReport[] = []
    const onReport = (report: EngineReport): void => void reports.push(report)
    const wide = await world.again({ limits: { connections: 1000 }, onReport })
    expect(reports).toEqual([
      {
        kind: 'trouble',
        subject: 'limit connections',
        message: expect.stringContaining('64 instead of 1000') as string,
      },
    ])
    expect((await wide.info(within())).tableSize).toBe(64)
    await wide.release()
    const narrow = await world.again({ limits: { connections: 32 }, onReport })
    expect((await narrow.info(within())).tableSize).toBe(32)
    expect(reports).toHaveLength(1)
    expect(taken(1000)).toBe(0)
  })

  test('4,096 servers in one service: picked in turn, the least loaded found, and edited in good time', async () => {
    await using world = await openPacketWorld({ limits: { 'half-open': 8192 } })
    const { engine } = world
    const many = Array.from({ length: 4096 }, (_, index) =>
      addServer(web, aServer(1000 + index, { address: '10.50.0.2' })),
    )
    await engine.apply([addService(aService(web, { scheduler: 'wlc' })), ...many], within())
    for (let client = 0; client < 4096; client++) world.run(request(web, client))
    expect((await counts(engine, web)).every(([active]) => active === 1)).toBe(true)
    const onceMore = [addServer(web, aServer(9000, { address: '10.50.0.2' }))]
    expect(await errorOf(engine.apply(onceMore, within()))).toMatchObject({ code: 'no-space' })
    for (const scheduler of ['rr', 'wrr', 'sed', 'mh', 'sh'] as const) {
      await engine.apply([{ kind: 'service.update', service: aService(web, { scheduler }) }], within())
      expect(picked(world, web, 5000)).toBe('2')
    }
  })
})
