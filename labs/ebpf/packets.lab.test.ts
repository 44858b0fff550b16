/** Packets as data: what comes in, the verdict, what goes out; run by the kernel itself (BPF_PROG_TEST_RUN), nothing is sent. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { addServer, addService, aServer, aService, within } from '../../src/engines/engine.contract.ts'
import type { Endpoint, Forwarding, ServiceId, Tunnel } from '../../src/lvs/service.ts'
import { decodeFrame, encodeFrame, type Packet, type TcpFlag } from '../ipvs/packets.ts'
import { fragments, hopsOf, withHops, withOptions, withoutChecksum, wrongChecksums } from './frames.ts'
import { openPacketWorld, type PacketWorld } from './packet-world.ts'
import { execute, serverMac } from './world.ts'

type Protocol = 'tcp' | 'udp'
type Place = { readonly vip: string; readonly client: string; readonly server: (number: number) => string }
const places: Readonly<Record<'ipv4' | 'ipv6', Place>> = {
  ipv4: { vip: '10.50.0.1', client: '198.51.100.7', server: (number) => `10.50.0.${number}` },
  ipv6: { vip: 'fd50::1', client: '2001:db8::7', server: (number) => `fd50::${number}` },
}
const gateway = serverMac(254)

let world: PacketWorld
let port = 1000
beforeAll(async () => {
  world = await openPacketWorld()
})
afterAll(() => world[Symbol.asyncDispose]())

type Stage = {
  readonly client: Endpoint
  readonly service: Endpoint
  readonly server: Endpoint
  /** A packet from the client to the service, or its frame. */
  readonly request: (over?: Partial<Packet>) => Buffer
  readonly answer: (over?: Partial<Packet>) => Buffer
}

/** A service of its own, with one server. */
async function stage(
  family: 'ipv4' | 'ipv6',
  protocol: Protocol,
  forwarding: Forwarding,
  over: { readonly family?: 'ipv4' | 'ipv6'; readonly tunnel?: Tunnel } = {},
): Promise<Stage> {
  const { vip, client: address } = places[family]
  const id: ServiceId & Endpoint = { kind: 'address', protocol, address: vip, port: port++ }
  const server = { address: places[over.family ?? family].server(2), port: forwarding === 'masq' ? 8080 : id.port }
  const tunnel = over.tunnel === undefined ? {} : { tunnel: over.tunnel }
  await world.engine.apply(
    [addService(aService(id)), addServer(id, aServer(server.port, { address: server.address, forwarding, ...tunnel }))],
    within(),
  )
  const client = { address, port: 40_000 }
  const common = { protocol, flags: [], chunks: [], payload: 'some words', mark: 0 } as const
  return {
    client,
    service: id,
    server,
    request: (over = {}) => Buffer.from(encodeFrame({ ...common, from: client, to: id, flags: ['syn'], ...over })),
    answer: (over = {}) =>
      Buffer.from(encodeFrame({ ...common, from: server, to: client, flags: ['syn', 'ack'], ...over })),
  }
}

function seen(frame: Uint8Array) {
  expect(wrongChecksums(frame)).toEqual([])
  return decodeFrame(frame)
}

const families = ['ipv4', 'ipv6'] as const
const gue = { type: 'gue', port: 6080, checksum: 'nocsum' } as const
const tunnels: readonly Tunnel[] = [{ type: 'ipip' }, { type: 'gre', checksum: 'nocsum' }, gue]
const tunnelled = families.flatMap((inner) =>
  families.flatMap((outer) => tunnels.map((tunnel) => ({ inner, outer, tunnel }))),
)
const both = families.flatMap((family) => (['tcp', 'udp'] as const).map((protocol) => ({ family, protocol })))

describe('packets', () => {
  test.each(both)(
    '$family $protocol, NAT: to the server and back, one hop less each way',
    async ({ family, protocol }) => {
      const { client, service, server, request, answer } = await stage(family, protocol, 'masq')
      const sent = world.run(request())
      expect(sent.verdict).toBe('send')
      expect(seen(sent.frame)).toMatchObject({ from: client, to: server, toMac: serverMac(2) })
      expect(hopsOf(sent.frame)).toBe(63)
      const answered = world.run(answer())
      expect(answered.verdict).toBe('send')
      expect(seen(answered.frame)).toMatchObject({
        from: { address: service.address, port: service.port },
        to: client,
        toMac: gateway,
      })
      expect(hopsOf(answered.frame)).toBe(63)
    },
  )

  test.each(both)(
    '$family $protocol, direct routing: as it is, to the server’s neighbour address',
    async ({ family, protocol }) => {
      const { request } = await stage(family, protocol, 'direct')
      const sent = world.run(request())
      expect(sent.verdict).toBe('send')
      expect(seen(sent.frame)).toMatchObject({ toMac: serverMac(2) })
      expect(sent.frame.subarray(14)).toEqual(withHops(request(), 63).subarray(14))
    },
  )

  test.each(both)('$family $protocol, local: as it is, up the stack, and counted', async ({ family, protocol }) => {
    const { request, service } = await stage(family, protocol, 'local')
    const sent = world.run(request())
    expect(sent).toEqual({ verdict: 'pass', frame: request() })
    const snapshots = await world.engine.read({ ...within(), only: [{ kind: 'address', protocol, ...service }] })
    expect(snapshots[0]?.servers[0]?.counters).toMatchObject({ connections: 1, packetsIn: 1 })
  })

  test.each(tunnelled)(
    'tunnel, $inner in $outer by $tunnel.type: wrapped as it is, from the address of the way out',
    async ({ inner, outer, tunnel }) => {
      const { request } = await stage(inner, 'tcp', 'tunnel', { family: outer, tunnel })
      const sent = world.run(request({ mark: 9 }))
      expect(sent.verdict).toBe('send')
      const at = places[outer]
      expect(seen(sent.frame)).toMatchObject({ outer: { to: at.server(2), tunnel: tunnel.type }, toMac: serverMac(2) })
      expect(hopsOf(sent.frame)).toBe(64)
      const wrapped = request({ mark: 9 }).subarray(14)
      expect(sent.frame.subarray(sent.frame.length - wrapped.length)).toEqual(wrapped)
      const isIpv6 = outer === 'ipv6'
      const source = isIpv6 ? sent.frame.subarray(22, 38).toString('hex') : [...sent.frame.subarray(26, 30)].join('.')
      expect(source).toBe(isIpv6 ? 'fd500000000000000000000000000001' : at.vip)
      // DF and type of service are the inner packet's; IPv6 has no DF, and must not be cut on the way.
      const serviceType = isIpv6 ? (sent.frame.readUInt16BE(14) >> 4) & 255 : sent.frame[15]
      expect(serviceType).toBe(16)
      if (!isIpv6) expect(sent.frame.readUInt16BE(20)).toBe(0x4000)
      expect(wrapping(sent.frame, isIpv6 ? 54 : 34, wrapped.length)).toEqual(
        between(tunnel, inner, flowPort(sent.frame), wrapped.length),
      )
    },
  )

  test('GUE: all packets of a connection come from one port, those of many from many', async () => {
    const { request } = await stage('ipv4', 'tcp', 'tunnel', { tunnel: gue })
    const portOf = (port: number, flags: TcpFlag[] = ['syn']): number =>
      flowPort(world.run(request({ flags, from: { address: '198.51.100.7', port } })).frame)
    const first = Array.from({ length: 64 }, (_, client) => portOf(2000 + client))
    const second = Array.from({ length: 64 }, (_, client) => portOf(2000 + client, ['ack']))
    expect(second).toEqual(first)
    expect(new Set(first).size).toBeGreaterThan(48)
    expect(first.every((port) => port >= 32_768 && port < 60_999)).toBe(true)
  })

  test.each(families)('%s: the last hop is told of, with nothing sent on', async (family) => {
    const { request, client } = await stage(family, 'tcp', 'masq')
    const sent = world.run(withHops(request(), 1))
    expect(sent.verdict).toBe('send')
    expect(wrongChecksums(sent.frame)).toEqual([])
    const content = family === 'ipv6' ? sent.frame.subarray(54) : sent.frame.subarray(34)
    expect([...content.subarray(0, 2)]).toEqual(family === 'ipv6' ? [3, 0] : [11, 0])
    expect(client.address).toBe(places[family].client)
  })

  test.each(both)(
    '$family $protocol: without a server the sender is told that there is no such port',
    async ({ family, protocol }) => {
      const { request, client, service } = await stage(family, protocol, 'masq')
      await world.engine.apply(
        [
          {
            kind: 'service.update',
            service: aService({ kind: 'address', protocol, ...service }, { scheduler: 'none' }),
          },
        ],
        within(),
      )
      const sent = world.run(request())
      expect(sent.verdict).toBe('send')
      expect(seen(sent.frame)).toEqual({ kind: 'no-port', from: service.address, to: client.address })
      // It tells of the packet as it was.
      const [header, told] = family === 'ipv6' ? [40, 60] : [20, 40]
      const from = 14 + header + 8
      expect(sent.frame.subarray(from, from + Math.min(told, request().length - 14))).toEqual(
        request().subarray(14, 14 + told),
      )
    },
  )

  test.each(families)(
    '%s: an ICMP error about a reply goes to the server, one about a request to the client',
    async (family) => {
      const { client, service, server, request } = await stage(family, 'tcp', 'masq')
      world.run(request())
      const router = { address: places[family].server(254), port: 0 }
      const base = { protocol: 'icmp', flags: [], chunks: [], payload: '', mark: 0, from: router } as const
      const told = { protocol: 'tcp', flags: ['ack'] as TcpFlag[], chunks: [], payload: 'x', mark: 0 } as const
      const toServer = world.run(
        encodeFrame({
          ...base,
          to: { address: service.address, port: 0 },
          about: { ...told, from: service, to: client },
        }),
      )
      expect(toServer.verdict).toBe('send')
      expect(seen(toServer.frame)).toMatchObject({ protocol: 'icmp', from: router, to: { address: server.address } })
      expect(innerEnds(toServer.frame)).toEqual({ from: server, to: client })
      const toClient = world.run(
        encodeFrame({
          ...base,
          to: { address: client.address, port: 0 },
          about: { ...told, from: client, to: server },
        }),
      )
      expect(toClient.verdict).toBe('send')
      expect(seen(toClient.frame)).toMatchObject({
        protocol: 'icmp',
        from: { address: service.address },
        to: { address: client.address },
      })
      expect(innerEnds(toClient.frame)).toEqual({ from: client, to: { address: service.address, port: service.port } })
    },
  )

  test('IPv4 options stay where they are', async () => {
    const { server, request } = await stage('ipv4', 'tcp', 'masq')
    const sent = world.run(withOptions(request()))
    expect(seen(sent.frame)).toMatchObject({ to: server })
    expect(sent.frame.subarray(34, 38)).toEqual(Buffer.from([1, 1, 1, 0]))
  })

  test('UDP without a checksum gets none', async () => {
    const { server, request } = await stage('ipv4', 'udp', 'masq')
    const sent = world.run(withoutChecksum(request()))
    expect(seen(sent.frame)).toMatchObject({ to: server })
    expect(sent.frame.readUInt16BE(40)).toBe(0)
  })

  test('all fragments of a datagram go to the same server; one whose first is unknown goes its own way', async () => {
    const { server, request } = await stage('ipv4', 'udp', 'masq')
    const pieces = fragments(request({ payload: 'y'.repeat(60) }), 24)
    expect(pieces.length).toBeGreaterThan(2)
    for (const piece of pieces) {
      const { verdict, frame } = world.run(piece)
      expect(verdict).toBe('send')
      expect(wrongChecksums(frame)).toEqual([])
      expect([...frame.subarray(30, 34)].join('.')).toBe(server.address)
      expect(frame.subarray(42)).toEqual(piece.subarray(42))
    }
    const [, stray = Buffer.alloc(0)] = pieces
    stray.writeUInt16BE(0x4343, 18)
    expect(world.run(stray).verdict).toBe('pass')
  })

  test('the transport checksum over all fragments is right in the end', async () => {
    const { request } = await stage('ipv4', 'udp', 'masq')
    const whole = request({ payload: 'z'.repeat(60) })
    const sent = fragments(whole, 24).map((piece) => world.run(piece).frame)
    const joined = Buffer.concat([whole.subarray(0, 34), ...sent.map((frame) => frame.subarray(34))])
    sent[0]?.copy(joined, 26, 26, 34)
    joined.writeUInt16BE(0, 20)
    expect(wrongChecksums(joined).filter((text) => text !== 'IPv4 header')).toEqual([])
  })

  test('what does not fit the way on is told with its MTU, unless it is to be cut later by offload', async () => {
    await execute('ip', ['-n', world.namespace, 'route', 'add', '10.50.0.3/32', 'dev', 'lan', 'mtu', 'lock', '1000'])
    const id: ServiceId = { kind: 'address', protocol: 'tcp', address: '10.50.0.1', port: port++ }
    const server = aServer(id.port, { address: '10.50.0.3', forwarding: 'tunnel' })
    await world.engine.apply([addService(aService(id)), addServer(id, server)], within())
    const overhead = { ipip: 20, gre: 24, gue: 32 } as const
    const request = (bytes: number, flags: TcpFlag[], client = 41_000): Buffer =>
      Buffer.from(
        encodeFrame({
          protocol: 'tcp', flags, chunks: [], mark: 0, payload: 'p'.repeat(bytes),
          from: { address: '198.51.100.7', port: client }, to: id,
        }), // biome-ignore format: one packet
      )
    expect(world.run(request(0, ['syn'])).verdict).toBe('send')
    for (const tunnel of tunnels) {
      await world.engine.apply([addServer(id, { ...server, tunnel })], within())
      const mtu = 1000 - overhead[tunnel.type]
      const large = world.run(request(mtu - 40 + 1, ['ack']))
      expect([...large.frame.subarray(34, 36)]).toEqual([3, 4])
      expect(large.frame.readUInt16BE(40)).toBe(mtu)
      const fitting = world.run(request(mtu - 40, ['ack']))
      expect([fitting.verdict, fitting.frame.length]).toEqual(['send', 1014])
    }
    await world.engine.apply([{ kind: 'service.remove', id }], within())
    await world.engine.apply([addService(aService(id)), addServer(id, { ...server, forwarding: 'masq' })], within())
    const again = (): Buffer => request(1200, ['syn'], 41_001)
    expect([...world.run(again()).frame.subarray(34, 36)]).toEqual([3, 4])
    expect(decodeFrame(world.run(again(), { segment: 500 }).frame)).toMatchObject({ to: { address: '10.50.0.3' } })
  })

  test.each(both)(
    '$family $protocol: a server on the director itself answers from the service',
    async ({ family, protocol }) => {
      const { client, service, request } = await stage(family, protocol, 'masq')
      const id = { kind: 'address', protocol, ...service } as const
      const own = { address: places[family].vip, port: 8088 }
      await world.engine.apply(
        [
          { kind: 'server.remove', id, server: { address: places[family].server(2), port: 8080 } },
          addServer(id, aServer(own.port, { address: own.address })),
        ],
        within(),
      )
      const sent = world.run(request())
      expect([sent.verdict, seen(sent.frame)]).toMatchObject(['stack', { from: client, to: own }])
      expect(hopsOf(sent.frame)).toBe(64)
      const frame = encodeFrame({
        protocol,
        flags: ['syn', 'ack'],
        chunks: [],
        payload: 'x',
        mark: 0,
        from: own,
        to: client,
      })
      const left = world.run(frame, { hook: 'out' })
      expect([left.verdict, seen(left.frame)]).toMatchObject([
        'pass',
        { from: { address: service.address, port: service.port }, to: client },
      ])
    },
  )

  test('what is not ours passes untouched', async () => {
    const { request, client } = await stage('ipv4', 'tcp', 'masq')
    const others = [
      request({ to: { address: '10.50.0.1', port: 22 } }),
      request({ flags: ['ack'] }),
      request({ flags: ['syn', 'rst'] }),
      request({ from: { ...client, port: 20 } }),
      Buffer.concat([Buffer.alloc(12), Buffer.from([8, 6]), Buffer.alloc(46)]),
      // For another machine, seen because the interface is promiscuous.
      Buffer.concat([Buffer.from([2, 0, 0, 0, 0, 0x77]), request().subarray(6)]),
    ]
    for (const frame of others) expect(world.run(frame)).toEqual({ verdict: 'pass', frame })
  })
})

/** What stands between the outer header and what is wrapped: RFC 2784 §2.1; RFC 768 and draft-ietf-intarea-gue-09 §3. */
function between(tunnel: Tunnel, inner: 'ipv4' | 'ipv6', port: number, bytes: number): Buffer {
  const isIpv6 = inner === 'ipv6'
  if (tunnel.type === 'ipip') return Buffer.alloc(0)
  if (tunnel.type === 'gre') return Buffer.from([0, 0, ...(isIpv6 ? [0x86, 0xdd] : [8, 0])])
  const header = Buffer.from([0, 0, 0, 0, 0, 0, 0, 0, 0, isIpv6 ? 41 : 4, 0, 0])
  header.writeUInt16BE(port, 0)
  header.writeUInt16BE(tunnel.port, 2)
  header.writeUInt16BE(12 + bytes, 4)
  return header
}

const wrapping = (frame: Buffer, from: number, wrapped: number): Buffer => frame.subarray(from, frame.length - wrapped)
/** Of the outer UDP header. */
const flowPort = (frame: Buffer): number => frame.readUInt16BE(frame[14] === 0x45 ? 34 : 54)

/** Of the packet that an ICMP error tells of. */
function innerEnds(frame: Buffer): { from: Endpoint; to: Endpoint } {
  const inner = frame.subarray(14 + (frame[14] === 0x60 ? 48 : 28))
  const found = decodeFrame(Buffer.concat([frame.subarray(0, 14), inner]))
  if (found?.kind !== 'packet') throw new Error('no packet inside')
  return { from: found.from, to: found.to }
}
