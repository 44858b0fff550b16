/** twos in the program: of the same chance it makes the same of servers, weights, thresholds and counts as src/lvs. */
import fc from 'fast-check'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { layouts } from '../../src/engines/ebpf/layout.ts'
import { ServerSlots } from '../../src/engines/ebpf/servers.ts'
import { readServices } from '../../src/engines/ebpf/table.ts'
import { addServer, addService, aServer, aService, within } from '../../src/engines/engine.contract.ts'
import type { Candidate } from '../../src/lvs/schedulers/scheduler.ts'
import { powerOfTwos } from '../../src/lvs/schedulers/twos.ts'
import { type ServiceId, serviceKey } from '../../src/lvs/service.ts'
import { decodeFrame, encodeFrame, type TcpFlag } from '../ipvs/packets.ts'
import { openPacketWorld, type PacketWorld } from './packet-world.ts'

let world: PacketWorld
beforeAll(async () => {
  world = await openPacketWorld({
    limits: { connections: 65_536, services: 256, servers: 8192, 'table-entries': 262_144 },
  })
})
afterAll(() => world[Symbol.asyncDispose]())

/** Each run has a service that no other has. */
let nextPort = 10_000

test('any weights, thresholds and packets: the server that src/lvs draws by the number of the connection', async () => {
  const server = fc.record({ weight: fc.nat(5), upperThreshold: fc.constantFrom(0, 0, 3) })
  await fc.assert(
    fc.asyncProperty(
      fc.array(server, { minLength: 1, maxLength: 12 }),
      fc.array(fc.boolean(), { minLength: 5, maxLength: 60 }),
      async (servers, establishes) => {
        const id = {
          kind: 'address',
          protocol: 'tcp',
          address: '10.50.0.1',
          port: nextPort++,
        } as const satisfies ServiceId
        await world.engine.apply(
          [
            addService(aService(id, { scheduler: 'twos' })),
            ...servers.map((over, number) => addServer(id, aServer(8000 + number, { address: '10.50.0.2', ...over }))),
          ],
          within(),
        )
        for (const [client, isEstablished] of establishes.entries()) {
          const before = candidatesOf(id)
          const frame = (flags: TcpFlag[]): Uint8Array =>
            encodeFrame({
              protocol: 'tcp',
              from: { address: '198.51.100.1', port: 1024 + client },
              to: id,
              flags,
              chunks: [],
              payload: '',
              mark: 0,
            })
          const seen = decodeFrame(world.run(frame(['syn'])).frame)
          const taken = seen?.kind === 'packet' ? seen.to.port : undefined
          const draws = taken === undefined ? [] : chances(numberOf(frame(['syn'])))
          expect(taken).toBe(powerOfTwos(before, { random: () => draws.shift() ?? 0 }).pick(notLookedAt)?.port)
          expect(draws).toEqual([])
          if (isEstablished) world.run(frame(['ack']))
        }
      },
    ),
    { numRuns: Number(process.env['BATON_RUNS'] ?? 40) },
  )
})

test('draws servers in proportion to their weights', async () => {
  const id: ServiceId = { kind: 'address', protocol: 'udp', address: '10.50.0.1', port: 53 }
  const weights = [1, 2, 5]
  const changes = [
    addService(aService(id, { scheduler: 'twos' })),
    ...weights.map((weight, number) => addServer(id, aServer(8000 + number, { address: '10.50.0.2', weight }))),
  ]
  await world.engine.apply(changes, within())
  const total = 4000
  for (let client = 0; client < total; client++)
    world.run(
      encodeFrame({
        protocol: 'udp',
        from: { address: '198.51.100.2', port: 1024 + client },
        to: id,
        flags: [],
        chunks: [],
        payload: '',
        mark: 0,
      }),
    )
  const servers = candidatesOf(id)
  // The one of two with fewer connections for its weight: all end up as full as their weights say.
  for (const { weight, active, inactive } of servers)
    expect(Math.abs((active + inactive) / total - weight / 8)).toBeLessThan(0.03)
  expect(servers).toHaveLength(3)
})

const notLookedAt = { source: [0], sourcePort: 0, destination: [0], destinationPort: 0, atMs: 0 }

/** The service's servers as the program has them now. */
function candidatesOf(id: ServiceId): Candidate[] {
  const { maps } = world.engine.program
  const slots = new ServerSlots(maps.servers)
  const record = [...readServices(maps, slots)].find((own) => serviceKey(own.id) === serviceKey(id))
  return (record?.servers ?? []).map(({ slot, weight, lastWeight, address, port }) => ({
    weight,
    lastWeight,
    address,
    port,
    active: slots.active(slot),
    inactive: slots.inactive(slot),
    overloaded: slots.isOverloaded(slot),
    isTried: false,
  }))
}

/** The number of the connection that the frame has begun: the only chance that the program took. */
function numberOf(frame: Uint8Array): number {
  const key = Buffer.alloc(layouts.flow_key.bytes)
  const { source, destination, source_port, destination_port, protocol, family } = layouts.flow_key.at
  key.set(frame.subarray(26, 30), source)
  key.set(frame.subarray(30, 34), destination)
  key.set(frame.subarray(34, 36), source_port)
  key.set(frame.subarray(36, 38), destination_port)
  key[protocol] = 6
  key[family] = 4
  const flow = world.engine.program.maps.flows.lookup(key)
  if (flow === undefined) throw new Error('the frame has begun no connection')
  return flow.readUInt32LE(layouts.flow.at.word + 4)
}

/** Two draws of it, each from 0 to below 1: itself, and what bpf/twos.h makes of it. */
function chances(number: number): [number, number] {
  let other = Math.imul(number ^ (number >>> 16), 0x85eb_ca6b)
  other = Math.imul(other ^ (other >>> 13), 0xc2b2_ae35)
  return [number / 2 ** 32, ((other ^ (other >>> 16)) >>> 0) / 2 ** 32]
}
