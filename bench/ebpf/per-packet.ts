/**
 * What a packet costs, by BPF_PROG_TEST_RUN, which itself takes some 25 ns: the same one many times, and each by itself, by
 * scheduler, number of servers and number of connections. Nothing is sent.
 */
import { setTimeout as pause } from 'node:timers/promises'
import { withHops } from '../../labs/ebpf/frames.ts'
import { openPacketWorld, type PacketWorld } from '../../labs/ebpf/packet-world.ts'
import { encodeFrame, type TcpFlag } from '../../labs/ipvs/packets.ts'
import type { EngineChange } from '../../src/engines/engine.ts'
import type { Endpoint, Forwarding, SchedulerName, ServiceId } from '../../src/lvs/service.ts'

type AddressId = Extract<ServiceId, { kind: 'address' }>
const options = { signal: AbortSignal.timeout(3_600_000) }
/** How much more a packet may cost with many servers or connections than with one. */
const flat = 1.2
/** Those that pick without looking at each server. */
const withoutScan: readonly SchedulerName[] = ['rr', 'wrr', 'sh', 'mh']
const withScan: readonly SchedulerName[] = ['lc', 'wlc', 'sed', 'nq']

/** Whether a cost stays as it is; those that do not. */
export async function perPacket(isShort: boolean): Promise<string[]> {
  const most = { connections: isShort ? 20_000 : 1_100_000, services: 16, servers: 8192, 'table-entries': 524_288 }
  await using world = await openPacketWorld({ limits: { ...most, 'half-open': most.connections } })
  await warm(world, isShort ? 20 : 2000)
  const missed = await byServers(world, isShort ? [1, 16] : [1, 16, 256, 4096], isShort ? 100 : 2000)
  return [
    ...missed,
    ...(await byConnections(world, isShort ? [0, 1000] : [0, 10_000, 1_000_000], isShort ? 100 : 2000)),
  ]
}

const web = (address: string, port = 80): AddressId => ({ kind: 'address', protocol: 'tcp', address, port })

function service(
  id: AddressId,
  scheduler: SchedulerName,
  servers: readonly Endpoint[],
  forwarding: Forwarding,
): EngineChange[] {
  return [
    { kind: 'service.add', service: { id, scheduler, schedulerFlags: [], onePacket: false } },
    ...servers.map((server): EngineChange => {
      const real = { ...server, forwarding, weight: 1, upperThreshold: 0, lowerThreshold: 0 }
      return { kind: 'server.add', id, server: real }
    }),
  ]
}

function segment(from: Endpoint, to: Endpoint, flags: TcpFlag[]): Uint8Array {
  return encodeFrame({
    protocol: 'tcp',
    from,
    to: { address: to.address, port: to.port },
    flags,
    chunks: [],
    payload: '',
    mark: 0,
  })
}

/** A packet has so many hops to lose. */
const hops = 255
const repeats = 250

/**
 * Two services that are each other's server: the packet that one sends on is the other's next, so that all is done to it
 * each time. Neither address is the director's own.
 */
async function warm(world: PacketWorld, runs: number): Promise<void> {
  const [one, other] = [web('10.50.0.2', 82), web('10.50.0.3', 83)]
  const from = { address: '198.51.100.9', port: 4000 }
  const cost = async (frame: Uint8Array): Promise<number> => {
    // The director's word on kept ways is fresh then, and holds for longer than this takes.
    await pause(300)
    world.run(frame)
    return median(Array.from({ length: runs }, () => world.cost(withHops(frame, hops), repeats)))
  }
  await world.engine.apply([...service(one, 'rr', [other], 'masq'), ...service(other, 'rr', [one], 'masq')], options)
  for (const id of [one, other]) {
    world.run(segment(from, id, ['syn']))
    world.run(segment(id, from, ['syn', 'ack']))
    world.run(segment(from, id, ['ack']))
  }
  const nat = await cost(segment(from, one, ['ack']))
  const reply = await cost(segment(one, from, ['ack']))
  await world.engine.apply(
    [
      { kind: 'service.remove', id: one },
      { kind: 'service.remove', id: other },
    ],
    options,
  )
  const direct = web('10.50.0.4')
  await world.engine.apply(service(direct, 'rr', [direct], 'direct'), options)
  for (const flags of ['syn', 'ack'] as const) world.run(segment(from, direct, [flags]))
  const routed = await cost(segment(from, direct, ['ack']))
  await world.engine.apply([{ kind: 'service.remove', id: direct }], options)
  const foreign = await cost(segment(from, web('10.50.0.5'), ['ack']))
  console.log(
    `\nns a packet, the same ${repeats} times: NAT ${nat}, its reply ${reply}, direct ${routed}, not ours ${foreign}`,
  )
}

const balanced = web('10.50.0.1')
function client(number: number): Endpoint {
  return { address: `198.51.${100 + (number >> 15)}.7`, port: 1024 + (number & 0x7fff) }
}

async function byServers(world: PacketWorld, counts: readonly number[], packets: number): Promise<string[]> {
  console.log('\nns a packet by itself, new/established, medians, by servers')
  console.log(['scheduler'.padEnd(10), ...counts.map((count) => String(count).padStart(12))].join(''))
  const missed: string[] = []
  for (const scheduler of [...withoutScan, ...withScan]) {
    const cells: { fresh: number; standing: number }[] = []
    for (const count of counts) {
      const servers = Array.from({ length: count }, (_, index) => ({ address: '10.50.0.2', port: 1000 + index }))
      await world.engine.apply(service(balanced, scheduler, servers, 'masq'), options)
      await pause(300)
      cells.push(
        both(
          world,
          Array.from({ length: packets }, () => client(known++)),
        ),
      )
      await world.engine.apply([{ kind: 'service.remove', id: balanced }], options)
    }
    const [first, last] = [cells.at(0), cells.at(-1)]
    const each = ((last?.fresh ?? 0) - (first?.fresh ?? 0)) / ((counts.at(-1) ?? 1) - (counts.at(0) ?? 0))
    const note = withScan.includes(scheduler) ? `  ${each.toFixed(1)} a server` : ''
    console.log(
      [scheduler.padEnd(10), ...cells.map((cell) => `${cell.fresh}/${cell.standing}`.padStart(12))].join('') + note,
    )
    const name = `${scheduler} by servers`
    missed.push(
      ...notFlat(
        `${name}, established`,
        cells.map(({ standing }) => standing),
      ),
    )
    if (withoutScan.includes(scheduler))
      missed.push(
        ...notFlat(
          `${name}, new`,
          cells.map(({ fresh }) => fresh),
        ),
      )
  }
  return missed
}

/** Each row has clients of its own. */
let known = 0

function both(world: PacketWorld, from: readonly Endpoint[]): { fresh: number; standing: number } {
  const fresh = median(from.map((client) => world.cost(segment(client, balanced, ['syn']))))
  for (const client of from) world.run(segment(client, balanced, ['ack']))
  const pass = (): number => median(from.map((client) => world.cost(segment(client, balanced, ['ack']))))
  return { fresh, standing: quietest(pass) }
}

/** Packets of connections from all over the table: what is not in the processor's caches has to be fetched. */
async function byConnections(world: PacketWorld, counts: readonly number[], packets: number): Promise<string[]> {
  console.log('\nns a datagram by itself, new/established, medians, by connections (direct routing)')
  await world.engine.apply(service(names, 'rr', [{ address: '10.50.0.2', port: names.port }], 'direct'), options)
  const cells: number[] = []
  let made = 0
  for (const count of counts) {
    made = await fill(world, made, count)
    await pause(300)
    const fresh = Array.from({ length: packets }, (_, index) => world.cost(datagram(made + index)))
    made += packets
    const stride = Math.floor(made / packets)
    const standing = Array.from({ length: packets }, (_, index) => index * stride)
    // Once before, so that each has its way; in between come all the others.
    for (const client of standing) world.run(datagram(client))
    cells.push(quietest(() => median(standing.map((client) => world.cost(datagram(client))))))
    console.log(`${String(count).padStart(10)}  ${median(fresh)}/${cells.at(-1)}`)
  }
  return notFlat('established, by connections', cells)
}

const names = { kind: 'address', protocol: 'udp', address: '10.50.0.1', port: 53 } as const satisfies AddressId
const fillAtOnce = 10_000

/** The event loop goes on between portions: the director has its word to renew. */
async function fill(world: PacketWorld, from: number, to: number): Promise<number> {
  for (let made = from; made < to; made++) {
    world.run(datagram(made))
    if (made % fillAtOnce === 0) await pause(0)
  }
  return Math.max(from, to)
}

const ethernetBytes = 14
const template = Buffer.from(
  encodeFrame({ protocol: 'udp', from: client(0), to: names, flags: [], chunks: [], payload: '', mark: 0 }),
)

/** Of that client. Its checksums are another's, which nobody asks about. */
function datagram(number: number): Uint8Array {
  const { address, port } = client(number)
  for (const [index, byte] of address.split('.').entries()) template[ethernetBytes + 12 + index] = Number(byte)
  template.writeUInt16BE(port, ethernetBytes + 20)
  return template
}

/** Of a few passes: others disturb, and never speed up. */
function quietest(pass: () => number): number {
  return Math.min(pass(), pass(), pass())
}

function notFlat(name: string, costs: readonly number[]): string[] {
  const [first = 0, last = 0] = [costs.at(0), costs.at(-1)]
  return last <= first * flat ? [] : [`${name}: ${first} to ${last} ns`]
}

function median(numbers: readonly number[]): number {
  return [...numbers].sort((a, b) => a - b)[numbers.length >> 1] ?? 0
}
