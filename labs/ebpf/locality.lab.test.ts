/** lblc and lblcr in the program, with many destinations behind one firewall mark, beside the same in memory; and what is forgotten. */
import { setTimeout as pause } from 'node:timers/promises'
import fc from 'fast-check'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { Destinations } from '../../src/engines/ebpf/destinations.ts'
import { layouts } from '../../src/engines/ebpf/layout.ts'
import { ServerSlots } from '../../src/engines/ebpf/servers.ts'
import { readServices } from '../../src/engines/ebpf/table.ts'
import { addServer, addService, aServer, aService, within } from '../../src/engines/engine.contract.ts'
import type { EngineChange } from '../../src/engines/engine.ts'
import { fakeEngine } from '../../src/engines/fake/fake.ts'
import type { RealServer, ServiceId } from '../../src/lvs/service.ts'
import { defaultSysctls } from '../../src/lvs/settings.ts'
import { decodeFrame, encodeFrame, enginePacket, type Packet, type TcpFlag } from '../ipvs/packets.ts'
import { openPacketWorld, type PacketWorld } from './packet-world.ts'

let world: PacketWorld
beforeAll(async () => {
  world = await openPacketWorld({
    limits: { connections: 65_536, services: 256, servers: 8192, 'table-entries': 262_144 },
  })
})
afterAll(() => world[Symbol.asyncDispose]())

/** Each test and each run has a service, and clients, that no other has. */
let nextMark = 1
let nextClient = 0

const nobody = 'nobody'

/** The program and IPVS in memory, told the same: each packet goes the same way by both. */
function openPair() {
  const id: ServiceId = { kind: 'fwmark', mark: nextMark++, family: 'ipv4' }
  const model = fakeEngine()
  const send = (packet: Packet): string => {
    const verdict = model.receive({ ...enginePacket(packet), mark: id.mark })
    const wanted = verdict.kind === 'forward' ? String(verdict.to.port) : nobody
    const { frame } = world.run(encodeFrame(packet), { mark: id.mark })
    const seen = decodeFrame(frame)
    const taken = seen?.kind === 'packet' && seen.to.port !== packet.to.port ? String(seen.to.port) : nobody
    expect(taken).toBe(wanted)
    return taken
  }
  const packet = (client: number, destination: number, flags: readonly TcpFlag[]): Packet => ({
    protocol: 'tcp',
    from: { address: `198.51.${client >> 12}.1`, port: 1024 + (client & 4095) },
    to: { address: `10.60.0.${destination}`, port: 80 },
    flags,
    chunks: [],
    payload: '',
    mark: 0,
  })
  return {
    id,
    /** With the settings that the model begins with. */
    open: async (scheduler: 'lblc' | 'lblcr', ...servers: readonly RealServer[]): Promise<void> => {
      const { lblcr_expiration, expire_nodest_conn } = defaultSysctls
      const settings: EngineChange = {
        kind: 'settings',
        settings: { sysctls: { lblcr_expiration, expire_nodest_conn } },
      }
      await world.engine.apply([settings], within())
      const changes = [addService(aService(id, { scheduler })), ...servers.map((server) => addServer(id, server))]
      for (const engine of [world.engine, model]) await engine.apply(changes, within())
    },
    apply: async (...changes: EngineChange[]): Promise<void> => {
      for (const engine of [world.engine, model]) await engine.apply(changes, within())
    },
    /** A new client's connection, established at once where somebody takes it; the port of its server. */
    connect(destination: number): { readonly server: string; readonly client: number } {
      const client = nextClient++
      const server = send(packet(client, destination, ['syn']))
      if (server !== nobody) send(packet(client, destination, ['ack']))
      model.advance(1)
      return { server, client }
    },
    finish: (client: number, destination: number) => send(packet(client, destination, ['rst'])),
  }
}

const server = (number: number, weight = 1) => aServer(8000 + number, { address: '10.50.0.2', weight })

type Step = { readonly kind: 'add' | 'edit' | 'remove' | 'finish' | 'always' | 'connect'; readonly n: number }
const kinds = ['add', 'add', 'edit', 'remove', 'finish', 'finish', 'always', ...Array(8).fill('connect')] as const
const steps = fc.array(fc.record<Step>({ kind: fc.constantFrom(...kinds), n: fc.nat(1000) }), {
  minLength: 20,
  maxLength: 120,
})

describe.each(['lblc', 'lblcr'] as const)('%s in the program', (scheduler) => {
  test('decides as IPVS in memory does, through any changes', async () => {
    await fc.assert(
      fc.asyncProperty(steps, async (all) => {
        const pair = openPair()
        const { id } = pair
        await pair.open(scheduler, server(1, 2), server(2, 2), server(3, 2))
        const open: (readonly [client: number, destination: number])[] = []
        for (const { kind, n } of all) {
          const number = 1 + (n % 6)
          if (kind === 'add' || kind === 'edit') await pair.apply(addServer(id, server(number, n % 4)))
          else if (kind === 'remove')
            await pair.apply({ kind: 'server.remove', id, server: { address: '10.50.0.2', port: 8000 + number } })
          // Each pick finds that long nobody joined.
          else if (kind === 'always')
            await pair.apply({ kind: 'settings', settings: { sysctls: { lblcr_expiration: n % 2 === 0 ? -1 : 60 } } })
          else if (kind === 'finish') {
            const [found] = open.splice(n % Math.max(open.length, 1), 1)
            if (found !== undefined) pair.finish(...found)
          } else {
            const destination = 1 + (n % 4)
            open.push([pair.connect(destination).client, destination])
          }
        }
      }),
      { numRuns: Number(process.env['BATON_RUNS'] ?? 40) },
    )
  })

  test('has many destinations and, where its servers are too full, many servers for one', async () => {
    const [wide, crowded] = [openPair(), openPair()]
    for (const pair of [wide, crowded])
      await pair.open(scheduler, ...Array.from({ length: 100 }, (_, number) => server(number)))
    const first = Array.from({ length: 200 }, (_, destination) => wide.connect(1 + destination).server)
    expect(new Set(first).size).toBe(100)
    const all = Array.from({ length: 250 }, () => crowded.connect(1).server)
    expect(new Set(all).size).toBe(100)
  })

  test('goes on where it was when another director takes up the program', async () => {
    const pair = openPair()
    await pair.open(scheduler, server(1, 3), server(2, 3), server(3, 3))
    const before = [1, 2, 3, 4, 5].map((destination) => pair.connect(destination).server)
    expect(new Set(before).size).toBe(3)
    await world.engine.release()
    await world.again()
    await pair.apply(addServer(pair.id, server(4, 3)))
    // Somebody newer and idle is there, but each stays.
    expect([1, 2, 3, 4, 5].map((destination) => pair.connect(destination).server)).toEqual(before)
  })

  test('a server that comes back, long after its last connection, has its destinations again', async () => {
    const pair = openPair()
    await pair.open(scheduler, server(1))
    await pair.apply({ kind: 'settings', settings: { sysctls: { expire_nodest_conn: 1 } } })
    expect(pair.connect(1).server).toBe('8001')
    const { id } = pair
    await pair.apply({ kind: 'server.remove', id, server: { address: '10.50.0.2', port: 8001 } })
    // Longer than it takes until the place of one that nothing remembers is given to another.
    await pause(4000)
    for (const number of [2, 1, 3]) await pair.apply(addServer(id, server(number, 9)))
    await pair.apply({ kind: 'settings', settings: { sysctls: { expire_nodest_conn: 0 } } })
    expect(pair.connect(1).server).toBe('8001')
    expect(pair.connect(2).server).toBe('8003')
  })

  test('what is idle for its expiration is forgotten at the thirtieth minute, and what a removed service had at the next', async () => {
    const pair = openPair()
    await pair.open(scheduler, server(1, 5), server(2, 5))
    for (const destination of [1, 2, 3]) pair.connect(destination)
    const { maps } = world.engine.program
    const installed = [...readServices(maps, new ServerSlots(maps.servers))]
    const record = installed.find(({ id }) => id.kind === 'fwmark' && id.mark === pair.id.mark)
    expect(remembered(record?.locality)).toBe(3)
    const destinations = new Destinations(maps)
    const sysctls = { ...defaultSysctls, lblc_expiration: -1, lblcr_expiration: -1 }
    const soon = { sysctls, ...within() }
    for (let minute = 1; minute < 30; minute++) {
      const used = await destinations.pass(installed, soon)
      if (minute === 1) expect(record?.servers.map(({ slot }) => used.has(slot))).toEqual([true, true])
    }
    expect(remembered(record?.locality)).toBe(3)
    const used = await destinations.pass(installed, soon)
    expect(remembered(record?.locality)).toBe(0)
    expect(record?.servers.map(({ slot }) => used.has(slot))).toEqual([false, false])
    const { bytes, stride } = maps.localities
    const counts = [layouts.locality.at.added, layouts.locality.at.forgotten].map((at) =>
      bytes.readUInt32LE((record?.slot ?? 0) * stride + at),
    )
    expect(counts).toEqual([3, 3])
    for (const destination of [4, 5, 6]) pair.connect(destination)
    expect(remembered(record?.locality)).toBe(3)
    await pair.apply({ kind: 'service.remove', id: pair.id })
    await destinations.pass([...readServices(maps, new ServerSlots(maps.servers))], soon)
    expect(remembered(record?.locality)).toBe(0)
    expect(maps.replicas.page(undefined, 8192).count).toBe(0)
  })
})

/** Destinations of a service, by the number of its locality. */
function remembered(locality: number | undefined): number {
  const { destinations } = world.engine.program.maps
  const { keyBytes } = destinations.info
  const { count, keys } = destinations.page(undefined, 8192)
  const of = (index: number): number => keys.readUInt32LE(index * keyBytes + layouts.destination_key.at.locality)
  return Array.from({ length: count }, (_, index) => of(index)).filter((own) => own === locality).length
}
