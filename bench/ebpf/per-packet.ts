/** What a packet costs, by BPF_PROG_TEST_RUN: a connection that stands, a reply, and a new one, by the number of servers. */
import { openPacketWorld, type PacketWorld } from '../../labs/ebpf/packet-world.ts'
import { encodeFrame, type TcpFlag } from '../../labs/ipvs/packets.ts'
import type { EngineChange } from '../../src/engines/engine.ts'
import type { SchedulerName, ServiceId } from '../../src/lvs/service.ts'

const id = { kind: 'address', protocol: 'tcp', address: '10.50.0.1', port: 80 } as const satisfies ServiceId
const options = { signal: AbortSignal.timeout(600_000) }
const sizes = { connections: 500_000, templates: 1024, services: 16, servers: 8192, slots: 524_288 }

export async function perPacket(): Promise<void> {
  await using world = await openPacketWorld({ sizes, halfOpen: 500_000 })
  console.log(`\nns a packet, warm, 200,000 times the same: ${await warm(world)}`)
  console.log('ns a packet, by itself, medians of 2,000:')
  for (const servers of [1, 16, 256, 4096])
    for (const scheduler of ['rr', 'wlc', 'mh'] as const) console.log(await row(world, servers, scheduler))
}

/** Forwarding `local` leaves the packet as it is, so that each run finds it as the first did. */
async function warm(world: PacketWorld): Promise<string> {
  const server = { address: '10.50.0.2', port: 80, weight: 1, upperThreshold: 0, lowerThreshold: 0 }
  const service = { id, scheduler: 'rr', schedulerFlags: [], onePacket: false } as const
  const changes: EngineChange[] = [
    { kind: 'service.add', service },
    { kind: 'server.add', id, server: { ...server, forwarding: 'local' } },
  ]
  await world.engine.apply(changes, options)
  for (const flags of ['syn', 'ack'] as const) world.run(request(1, [flags]))
  const other = encodeFrame({
    protocol: 'tcp', flags: ['ack'], chunks: [], payload: '', mark: 0,
    from: { address: '198.51.100.250', port: 9 }, to: { address: id.address, port: 81 },
  }) // biome-ignore format: one packet
  return `of a connection ${world.cost(request(1, ['ack']), 200_000)}, not ours ${world.cost(other, 200_000)}`
}

async function row(world: PacketWorld, servers: number, scheduler: SchedulerName): Promise<string> {
  const server = { address: '10.50.0.2', forwarding: 'masq', weight: 1, upperThreshold: 0, lowerThreshold: 0 } as const
  const added = Array.from(
    { length: servers },
    (_, index): EngineChange => ({ kind: 'server.add', id, server: { ...server, port: 1000 + index } }),
  )
  const service = { id, scheduler, schedulerFlags: [], onePacket: false }
  await world.engine.apply([{ kind: 'service.remove', id }, { kind: 'service.add', service }, ...added], options)
  const clients = Array.from({ length: 2000 }, (_, client) => client)
  rows += 1
  const fresh = median(clients.map((client) => world.cost(request(client, ['syn']))))
  const standing = median(clients.map((client) => world.cost(request(client, ['ack']))))
  const cells = [
    `${servers} servers`.padEnd(14),
    scheduler.padEnd(5),
    `new ${fresh}`.padEnd(12),
    `standing ${standing}`,
  ]
  return cells.join('')
}

/** Each row has clients of its own. */
let rows = 0

function request(client: number, flags: TcpFlag[]): Uint8Array {
  const from = { address: `198.51.100.${rows}`, port: 1024 + client }
  return encodeFrame({ protocol: 'tcp', from, to: id, flags, chunks: [], payload: '', mark: 0 })
}

function median(numbers: readonly number[]): number {
  return [...numbers].sort((a, b) => a - b)[numbers.length >> 1] ?? 0
}
