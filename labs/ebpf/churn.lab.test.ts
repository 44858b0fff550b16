/**
 * Connections that come, change and go by the ten thousand, over all states: at every look what servers count is what the
 * table of connections says, and at the end nothing is left of either. Their times are made short; the states are Linux's.
 */
import fc from 'fast-check'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { flowKinds, layouts, protocols, statesPerRow } from '../../src/engines/ebpf/layout.ts'
import { indexKey } from '../../src/engines/ebpf/maps.ts'
import { addServer, addService, aServer, aService, within } from '../../src/engines/engine.contract.ts'
import { isActiveState, tcpStates } from '../../src/lvs/connection-state.ts'
import type { Endpoint, Forwarding, Protocol, ServiceId } from '../../src/lvs/service.ts'
import { encodeFrame, type TcpFlag } from '../ipvs/packets.ts'
import { eventually } from '../net/loopback.ts'
import { openPacketWorld, type PacketWorld } from './packet-world.ts'

const looks = 40
const packetsPerLook = 1000
const clients = 5000
/** Of every state: so long that connections of some looks stand side by side. */
const shortNs = 400_000_000n

let world: PacketWorld
beforeAll(async () => {
  world = await openPacketWorld()
})
afterAll(() => world[Symbol.asyncDispose]())

type Place = { readonly id: ServiceId & Endpoint; readonly forwarding: Forwarding }
const vip = '10.50.0.1'
const places = (['tcp', 'udp'] as const).flatMap((protocol: Protocol) =>
  (['masq', 'direct'] as const).map(
    (forwarding, at): Place => ({
      id: { kind: 'address', protocol, address: vip, port: 80 + at },
      forwarding,
    }),
  ),
)
const servers = [2, 3, 4].map((host) => `10.50.0.${host}`)

const packet = fc.record({
  place: fc.constantFrom(...places),
  client: fc.nat(clients - 1),
  isReply: fc.boolean(),
  flags: fc.constantFrom<TcpFlag[]>(['syn'], ['syn'], ['ack'], ['ack'], ['fin', 'ack'], ['rst'], ['syn', 'ack']),
  server: fc.constantFrom(...servers),
})

type Counts = { active: number; inactive: number }
const byServer = (): Map<string, Counts> => new Map()

/** From the table of connections alone; nothing is ended meanwhile. */
function counted(): Map<string, Counts> {
  const { flows } = world.engine.program.maps
  const { keyBytes, valueBytes } = flows.info
  const counts = byServer()
  const { word, other } = layouts.flow.at
  const keyAt = layouts.flow_key.at
  for (let from: Uint8Array | undefined, first = true; first || from !== undefined; first = false) {
    const page = flows.page(from, 4096)
    for (let index = 0; index < page.count; index++) {
      const flow = page.values.subarray(index * valueBytes, (index + 1) * valueBytes)
      if (flow[layouts.flow.at.kind] !== flowKinds.FLOW_CONNECTION) continue
      const key = page.keys.subarray(index * keyBytes, (index + 1) * keyBytes)
      const protocol = key[keyAt.protocol] === protocols.udp ? 'udp' : 'tcp'
      const state = protocol === 'udp' ? 'UDP' : (tcpStates[flow[word] ?? 0] ?? 'NONE')
      const server = flow.subarray(other + keyAt.source, other + keyAt.source + 4).join('.')
      const name = `${protocol} ${key.readUInt16BE(keyAt.destination_port)} ${server}`
      const own = counts.get(name) ?? { active: 0, inactive: 0 }
      counts.set(name, own)
      if (isActiveState(protocol, state)) own.active += 1
      else own.inactive += 1
    }
    from = page.next
  }
  return counts
}

/** What the servers count themselves. */
async function told(): Promise<Map<string, Counts>> {
  const counts = byServer()
  for (const { service, servers: own } of await world.engine.read(within()))
    for (const { server, active, inactive } of own)
      if (service.id.kind === 'address' && active + inactive > 0)
        counts.set(`${service.id.protocol} ${service.id.port} ${server.address}`, { active, inactive })
  return counts
}

test('what servers count is what the table says, over tens of thousands of connections', async () => {
  for (const { id, forwarding } of places) {
    const own = servers.map((address) =>
      addServer(id, aServer(forwarding === 'masq' ? 8080 : id.port, { address, forwarding })),
    )
    await world.engine.apply([addService(aService(id, { scheduler: 'rr' })), ...own], within())
  }
  const { settings } = world.engine.program.maps
  const { tcp_timeouts: tcp, udp_timeout: udp, hurried_timeout: hurried } = layouts.settings.at
  const short = settings.lookup(indexKey(0))
  if (short === undefined) throw new Error('no settings')
  for (let state = 0; state < statesPerRow; state++) short.writeBigUInt64LE(shortNs, tcp + 8 * state)
  for (const at of [udp, hurried]) short.writeBigUInt64LE(shortNs, at)
  settings.update(indexKey(0), short)

  let most = 0
  for (let look = 0; look < looks; look++) {
    for (const { place, client: number, isReply, flags, server } of fc.sample(packet, packetsPerLook)) {
      const { id, forwarding } = place
      const client = { address: `198.51.100.${1 + (number % 200)}`, port: 1024 + number }
      const from = forwarding === 'masq' ? { address: server, port: 8080 } : id
      const ends = isReply ? { from, to: client } : { from: client, to: id }
      const { protocol } = id as Extract<ServiceId, { readonly kind: 'address' }>
      world.run(encodeFrame({ ...ends, protocol, flags, chunks: [], payload: '', mark: 0 }))
    }
    // At once, one after the other: the director ends connections on this thread only.
    const [reading, table] = [told(), counted()]
    const own = await reading
    expect([look, own]).toEqual([look, table])
    most = Math.max(
      most,
      [...table.values()].reduce((sum, { active, inactive }) => sum + active + inactive, 0),
    )
  }
  expect(most).toBeGreaterThan(200)
  await eventually('all have ended', async () => counted().size === 0 && (await told()).size === 0)
  const { connections, half_open: halfOpen } = layouts.totals.at
  const { bytes } = world.engine.program.maps.totals
  expect([bytes.readBigInt64LE(connections), bytes.readBigInt64LE(halfOpen)]).toEqual([0n, 0n])
  const all = (await world.engine.read(within())).reduce((sum, { counters }) => sum + counters.connections, 0)
  expect(all).toBeGreaterThan((looks * packetsPerLook) / 10)
})
