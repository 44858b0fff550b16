/** What services remember and tell apart, packet by packet: persistence, other ports, datagrams by themselves, firewall marks. */
import { execFileSync } from 'node:child_process'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { addServer, addService, aServer, aService, errorOf, within } from '../../src/engines/engine.contract.ts'
import type { Connection } from '../../src/engines/engine.ts'
import type { Endpoint, Service, ServiceId } from '../../src/lvs/service.ts'
import { decodeFrame, encodeFrame } from '../ipvs/packets.ts'
import { eventually } from '../net/loopback.ts'
import { hopsOf, wrongChecksums } from './frames.ts'
import { openPacketWorld, type PacketWorld } from './packet-world.ts'

const vip = '10.50.0.1'
const web = { kind: 'address', protocol: 'tcp', address: vip, port: 80 } as const satisfies ServiceId
const names = { kind: 'address', protocol: 'udp', address: vip, port: 53 } as const satisfies ServiceId
const marked = { kind: 'fwmark', mark: 5, family: 'ipv4' } as const satisfies ServiceId
const persistence = { timeoutSeconds: 300, mask: '255.255.255.0' }

let world: PacketWorld
beforeEach(async () => {
  world = await openPacketWorld()
})
afterEach(() => world[Symbol.asyncDispose]())

/** Servers .2 and .3, the newest first in turn. */
async function put(id: ServiceId, over: Partial<Service>): Promise<void> {
  const servers = ['10.50.0.2', '10.50.0.3'].map((address) => addServer(id, aServer(8080, { address })))
  await world.engine.apply([addService(aService(id, { scheduler: 'rr', ...over })), ...servers], within())
}

type Sent = { readonly protocol?: 'tcp' | 'udp'; readonly from: string; readonly port: number; readonly mark?: number }

function frame({ protocol = 'tcp', from, port }: Sent, to: Endpoint): Uint8Array {
  const flags = protocol === 'tcp' ? (['syn'] as const) : []
  return encodeFrame({ protocol, from: { address: from, port }, to, flags, chunks: [], payload: 'x', mark: 0 })
}

/** The last number of the server's address. */
function server(sent: Sent, to: Endpoint): string {
  const { verdict, frame: out } = world.run(frame(sent, to), { mark: sent.mark ?? 0 })
  if (verdict !== 'send') return verdict
  expect(wrongChecksums(out)).toEqual([])
  const found = decodeFrame(out)
  return found?.kind === 'packet' ? (found.to.address.split('.').at(-1) ?? '') : (found?.kind ?? '')
}

async function listed(): Promise<Connection[]> {
  const all: Connection[] = []
  for await (const connection of world.engine.connections(within())) all.push(connection)
  return all
}

const templates = async (): Promise<Connection[]> =>
  (await listed()).filter(({ state }) => state === 'NONE' || state === 'ASSURED')

async function persistent(id: ServiceId): Promise<number[]> {
  const [snapshot] = await world.engine.read({ ...within(), only: [id] })
  return snapshot?.servers.map((own) => own.persistent) ?? []
}

describe('persistence', () => {
  test('a client’s network is led where it was before, also by the next director, until its time is up', async () => {
    await put(web, { persistence })
    const from = (host: number): string => server({ from: `198.51.100.${host}`, port: 4000 + host }, web)
    expect([1, 2, 77].map(from)).toEqual(['3', '3', '3'])
    expect(server({ from: '198.51.101.1', port: 4000 }, web)).toBe('2')
    expect(await persistent(web)).toEqual([1, 1])
    expect(await templates()).toContainEqual({
      protocol: 'tcp',
      client: { address: '198.51.100.0', port: 0 },
      service: { address: vip, port: 80 },
      server: { address: '10.50.0.3', port: 8080 },
      state: 'NONE',
      expiresSeconds: 299,
    })
    await world.engine.release()
    await world.again()
    expect(from(5)).toBe('3')
    // Its connections keep it, a minute each time.
    world.outlastTemplates()
    await eventually('put off', async () => (await templates()).every(({ expiresSeconds }) => expiresSeconds > 50))
    expect(from(6)).toBe('3')
    expect(Math.max(...(await templates()).map(({ expiresSeconds }) => expiresSeconds))).toBeLessThanOrEqual(60)
    const expired = { sysctls: { expire_nodest_conn: 1 } }
    await world.engine.apply(
      [
        { kind: 'settings', settings: expired },
        { kind: 'service.remove', id: web },
      ],
      within(),
    )
    await eventually('all over', async () => (await listed()).length === 0)
  })

  test('one whose server is drained or gone leads on or not, as the settings say, and stands until its end', async () => {
    await put(web, { persistence })
    const next = (port: number): string => server({ from: '198.51.100.1', port }, web)
    expect(next(4000)).toBe('3')
    await world.engine.apply([addServer(web, aServer(8080, { address: '10.50.0.3', weight: 0 }))], within())
    expect(next(4001)).toBe('3')
    const sysctls = { expire_quiescent_template: 1 }
    await world.engine.apply([{ kind: 'settings', settings: { sysctls } }], within())
    expect([next(4002), next(4003)]).toEqual(['2', '2'])
    expect(await persistent(web)).toEqual([1, 1])
    const ports = (await templates()).map((own) => [own.service.port, own.server.port])
    expect(ports.sort()).toEqual([
      [65_535, 65_535],
      [80, 8080],
    ])
  })

  test('of a service on all ports, and of FTP, a client’s connections go to one server, each to its own port', async () => {
    await put({ ...web, port: 0 }, { persistence })
    await put({ ...web, port: 21 }, { persistence })
    const to = (port: number, client = 1): string =>
      server({ from: `198.51.${client}.1`, port: 4000 }, { address: vip, port })
    expect([to(22), to(443)]).toEqual(['3', '3'])
    expect([to(21, 2), to(20, 2), to(5000, 2)]).toEqual(['3', '3', '3'])
    const found = (await listed()).filter(({ client }) => client.port !== 0)
    expect(found.map((own) => own.server.port).sort((a, b) => a - b)).toEqual([20, 22, 443, 5000, 8080])
    expect((await templates()).map((own) => [own.service.port, own.server.port])).toEqual([
      [0, 0],
      [0, 0],
    ])
  })
})

describe('one-packet scheduling', () => {
  test('each datagram is scheduled by itself and counted, and nothing stands afterwards', async () => {
    await put(names, { onePacket: true })
    const sent = { protocol: 'udp', from: '198.51.100.1', port: 4000 } as const
    expect([1, 2, 3].map(() => server(sent, names))).toEqual(['3', '2', '3'])
    expect(await listed()).toEqual([])
    const [snapshot] = await world.engine.read(within())
    const numbers = snapshot?.servers.map(({ active, inactive, counters: { connections, packetsIn } }) => ({
      active,
      inactive,
      connections,
      packetsIn,
    }))
    expect(numbers).toEqual([
      { active: 0, inactive: 0, connections: 2, packetsIn: 2 },
      { active: 0, inactive: 0, connections: 1, packetsIn: 1 },
    ])
  })
})

describe('firewall marks', () => {
  test('a mark that a packet bears counts before its address; one that nobody serves does not', async () => {
    await put(web, {})
    await put(marked, { persistence })
    const to = (port: number, mark: number): string =>
      server({ from: '198.51.100.1', port, mark }, { address: vip, port: 80 })
    expect([to(4000, 5), to(4001, 5), to(4002, 0), to(4003, 6)]).toEqual(['3', '3', '3', '2'])
    expect(await templates()).toMatchObject([
      { protocol: 'ip', client: { address: '198.51.100.0', port: 0 }, service: { address: '0.0.0.5', port: 0 } },
    ])
  })

  test('what netfilter has marked comes with one hop less, and goes on as if it had come straight', async () => {
    await put(marked, {})
    const sent = frame({ from: '198.51.100.1', port: 4000 }, { address: vip, port: 443 })
    const { verdict, frame: out } = world.run(sent, { hook: 'steered', mark: 5 })
    expect([verdict, hopsOf(out)]).toEqual(['send', hopsOf(sent)])
    expect(wrongChecksums(out)).toEqual([])
    // Nobody serves it: up the stack, as it was.
    const other = world.run(
      sent.map((byte, at) => (at === 35 ? byte + 1 : byte)),
      { hook: 'steered', mark: 6 },
    )
    expect([other.verdict, hopsOf(other.frame)]).toEqual(['pass', hopsOf(sent) + 1])
  })

  test('where packets cannot be brought to the program it says so, before anything is changed', async () => {
    const ip = (line: string): string =>
      execFileSync('ip', ['-n', world.namespace, ...line.split(' ')], { encoding: 'utf8' })
    ip('link add baton-steer1 type veth peer name other')
    const before = ip('-o link')
    const error = await errorOf(world.engine.apply([addService(aService(web)), addService(aService(marked))], within()))
    expect(error).toMatchObject({ code: 'unsupported', message: expect.stringContaining('firewall-mark services') })
    expect(await world.engine.read(within())).toEqual([])
    expect(ip('-o link')).toBe(before)
  })
})

describe('settings', () => {
  test('drop_entry ends what nobody has been served by: half-open connections with their templates', async () => {
    await put(web, { persistence })
    for (const host of [1, 2]) server({ from: `198.51.10${host}.1`, port: 4000 }, web)
    const reply = {
      protocol: 'tcp',
      from: { address: '10.50.0.2', port: 8080 },
      chunks: [],
      payload: '',
      mark: 0,
    } as const
    const client = { address: '198.51.102.1', port: 4000 }
    world.run(encodeFrame({ ...reply, to: client, flags: ['syn', 'ack'] }))
    world.run(encodeFrame({ ...reply, from: client, to: web, flags: ['ack'] }))
    expect((await listed()).map(({ state }) => state).sort()).toEqual(['ASSURED', 'ESTABLISHED', 'NONE', 'SYN_RECV'])
    await world.engine.apply([{ kind: 'settings', settings: { sysctls: { drop_entry: 3 } } }], within())
    await eventually('they go', async () => (await listed()).length === 2)
    expect((await listed()).map(({ state }) => state).sort()).toEqual(['ASSURED', 'ESTABLISHED'])
    expect(await persistent(web)).toEqual([0, 1])
  })

  test('without pmtu_disc tunnels may be cut into fragments', async () => {
    const direct = { address: '10.50.0.2', forwarding: 'tunnel' } as const
    await world.engine.apply([addService(aService(web)), addServer(web, aServer(80, direct))], within())
    const sent = Buffer.from(frame({ from: '198.51.100.1', port: 4000 }, web))
    sent.writeUInt16BE(sent.readUInt16BE(20) | 0x4000, 20)
    const outerFlags = (): number => world.run(sent).frame.readUInt16BE(20) & 0x4000
    expect(outerFlags()).toBe(0x4000)
    await world.engine.apply([{ kind: 'settings', settings: { sysctls: { pmtu_disc: 0 } } }], within())
    expect(outerFlags()).toBe(0)
  })
})
