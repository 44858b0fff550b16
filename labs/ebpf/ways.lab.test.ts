/** Ways that are kept with flows: how long they hold, for which packets, and that traffic follows what changes under it. */
import { execFileSync } from 'node:child_process'
import { once } from 'node:events'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { layouts } from '../../src/engines/ebpf/layout.ts'
import { addServer, addService, aServer, aService, within } from '../../src/engines/engine.contract.ts'
import type { ServiceId } from '../../src/lvs/service.ts'
import { decodeFrame, encodeFrame } from '../ipvs/packets.ts'
import { eventually } from '../net/loopback.ts'
import { withService } from './frames.ts'
import { openPacketWorld, type PacketWorld } from './packet-world.ts'
import { addresses, openTopology, type Topology } from './topology.ts'
import { openBpfWorld, serverMac } from './world.ts'

const always = 0x7fff_ffff_ffff_ffffn

/** These go without a pause from beginning to end, so that the director itself says nothing meanwhile. */
describe('ways that are kept', () => {
  let world: PacketWorld
  let generation = 1000
  beforeAll(async () => {
    world = await openPacketWorld()
    const server = aServer(8053, { address: '10.50.0.2' })
    await world.engine.apply([addService(aService(id)), addServer(id, server)], within())
  })
  afterAll(() => world[Symbol.asyncDispose]())

  const id = { kind: 'address', protocol: 'udp', address: '10.50.0.1', port: 53 } as const satisfies ServiceId
  const common = { protocol: 'udp', flags: [], chunks: [], mark: 0 } as const
  const client = { address: '198.51.100.7', port: 4000 }
  const request = (payload = 'words'): Uint8Array => encodeFrame({ ...common, from: client, to: id, payload })
  const answer = (): Uint8Array =>
    encodeFrame({ ...common, from: { address: '10.50.0.2', port: 8053 }, to: client, payload: 'more words' })

  function vouch(until: bigint): void {
    const { bytes } = world.engine.program.maps.vouched
    const { at } = layouts.vouched
    bytes.writeUInt32LE(generation++, at.generation)
    bytes.writeBigUInt64LE(until, at.until)
  }
  function ip(...words: string[]): void {
    execFileSync('ip', ['-n', world.namespace, ...words])
  }
  function move(neighbour: number, to: number): void {
    ip('neighbour', 'replace', `10.50.0.${neighbour}`, 'lladdr', serverMac(to), 'dev', 'lan', 'nud', 'permanent')
  }
  function sentTo(frame: Uint8Array): string | undefined {
    const { verdict, frame: sent } = world.run(frame)
    expect(verdict).toBe('send')
    const seen = decodeFrame(sent)
    return seen?.kind === 'packet' ? seen.toMac : undefined
  }

  test('in both directions, until another generation', () => {
    vouch(always)
    expect([sentTo(request()), sentTo(answer())]).toEqual([serverMac(2), serverMac(254)])
    move(2, 0x32)
    move(254, 0x33)
    expect([sentTo(request()), sentTo(answer())]).toEqual([serverMac(2), serverMac(254)])
    vouch(always)
    expect([sentTo(request()), sentTo(answer())]).toEqual([serverMac(0x32), serverMac(0x33)])
  })

  test('until the moment is over', () => {
    move(2, 2)
    vouch(process.hrtime.bigint() - 1n)
    expect(sentTo(request())).toBe(serverMac(2))
    move(2, 0x32)
    expect(sentTo(request())).toBe(serverMac(0x32))
  })

  test('not for a packet of another type of service, which may have a route of its own', () => {
    move(2, 2)
    vouch(always)
    expect(sentTo(request())).toBe(serverMac(2))
    ip('rule', 'add', 'tos', '0x10', 'table', '100')
    ip('route', 'add', '10.50.0.2', 'via', '10.50.0.3', 'dev', 'lan', 'table', '100')
    expect(sentTo(request())).toBe(serverMac(2))
    expect(sentTo(withService(request(), 0x10))).toBe(serverMac(3))
    ip('rule', 'delete', 'tos', '0x10')
  })

  test('not for a packet that does not fit', () => {
    move(2, 2)
    ip('route', 'add', '10.50.0.2', 'dev', 'lan', 'mtu', 'lock', '600')
    vouch(always)
    expect(sentTo(request())).toBe(serverMac(2))
    // Its sender is told.
    expect(sentTo(request('x'.repeat(601)))).not.toBe(serverMac(2))
    ip('route', 'delete', '10.50.0.2', 'dev', 'lan')
  })

  test('the director hears of a change by itself', async () => {
    const told = (): number => world.engine.program.maps.vouched.bytes.readUInt32LE(layouts.vouched.at.generation)
    const before = told()
    move(2, 0x34)
    await eventually('another generation', async () => told() !== before)
    expect(sentTo(request())).toBe(serverMac(0x34))
  })
})

const port = 8080
const program = new URL('../../bench/ebpf/director.ts', import.meta.url).pathname

/** Always the same flow, so that its way is kept. */
async function echoed(topology: Topology, family: keyof typeof addresses): Promise<boolean> {
  const [version, vip] = family === 'ipv6' ? ['6', `[${addresses[family].vip}]`] : ['4', addresses[family].vip]
  const to = `UDP${version}:${vip}:${port},sourceport=40000,reuseaddr`
  const heard = await topology.run('client', 'sh', '-c', `echo words | timeout 2 socat -t 0.3 - ${to} || true`)
  return heard.trim() === 'words'
}

async function packetsIn(topology: Topology, device: string): Promise<number> {
  const [link] = JSON.parse(await topology.run('server', 'ip', '-s', '-j', 'link', 'show', device)) as [
    { stats64: { rx: { packets: number } } },
  ]
  return link.stats64.rx.packets
}

describe.each(['ipv4', 'ipv6'] as const)('%s: traffic follows', (family) => {
  const { server, back } = addresses[family]
  const second = family === 'ipv6' ? ['fd17::1', 'fd17::2', '64', '128'] : ['172.17.0.1', '172.17.0.2', '24', '32']
  const [here = '', there = '', prefix = '', whole = ''] = second
  const listen = family === 'ipv6' ? `UDP6-RECVFROM:${port},bind=[${server}]` : `UDP4-RECVFROM:${port},bind=${server}`

  /** A second link, and neighbours that are asked about within a second or two. */
  async function prepare(topology: Topology): Promise<void> {
    const link = ['ip', 'link', 'add', 'veth13', 'type', 'veth', 'peer', 'name', 'veth31']
    await topology.run('director', ...link, 'netns', topology.name('server'))
    for (const [place, device, address] of [
      ['director', 'veth13', here],
      ['server', 'veth31', there],
    ] as const) {
      await topology.run(place, 'ip', 'link', 'set', device, 'up')
      const nodad = family === 'ipv6' ? ['nodad'] : []
      await topology.run(place, 'ip', 'address', 'add', `${address}/${prefix}`, 'dev', device, ...nodad)
    }
    const hasty = ['base_reachable_time_ms=300', 'delay_first_probe_time=1', 'retrans_time_ms=100']
    const settings = hasty.map((setting) => `net.${family}.neigh.veth12.${setting}`)
    await topology.run('director', 'sysctl', '-qw', ...settings)
    topology.start('server', process.env, 'socat', `${listen},fork,reuseaddr`, 'EXEC:cat')
  }

  test.each(['stands', 'was killed'])('what changes under it, while the director %s', async (state) => {
    await using world = await openBpfWorld()
    await using topology = await openTopology('masq')
    await prepare(topology)
    const environment = { ...process.env, BATON_BPF_DIR: world.bpfFileSystem }
    const command = [process.execPath, '--import', import.meta.resolve('tsx'), program, 'ebpf', 'masq']
    const child = topology.start('director', environment, ...command, addresses[family].vip, server, String(port))
    if (child.stdout !== null) await once(child.stdout, 'data', { signal: AbortSignal.timeout(60_000) })
    const passes = (): Promise<void> => eventually('it passes', () => echoed(topology, family), 20_000)
    await passes()
    if (state === 'was killed') {
      child.kill('SIGKILL')
      await once(child, 'exit')
    }
    await passes()

    // A route, to the other link.
    const before = await packetsIn(topology, 'veth31')
    await topology.run('director', 'ip', 'route', 'add', `${server}/${whole}`, 'via', there)
    const moved = async (): Promise<boolean> =>
      (await echoed(topology, family)) && (await packetsIn(topology, 'veth31')) > before + 3
    await eventually('it goes by the other link', moved, 20_000)

    // An interface that is taken away, and its routes with it.
    await topology.run('director', 'ip', 'link', 'delete', 'veth13')
    await passes()

    // A neighbour that has another hardware address, and does not say so.
    await topology.run('server', 'ip', 'link', 'set', 'veth21', 'address', '02:00:00:00:09:09')
    await passes()

    // A link that was down, and has another name since.
    await topology.run('director', 'ip', 'link', 'set', 'veth12', 'down')
    expect(await echoed(topology, family)).toBe(false)
    await topology.run('director', 'ip', 'link', 'set', 'veth12', 'name', 'other')
    await topology.run('director', 'ip', 'link', 'set', 'other', 'up')
    const restored = family === 'ipv6' ? [`${back}/64`, 'nodad'] : []
    if (family === 'ipv6') await topology.run('director', 'ip', 'address', 'replace', ...restored, 'dev', 'other')
    await passes()
    await topology.removeLocks()
  })
})
