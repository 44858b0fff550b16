/** The way ahead of the stack: what goes by it leaves as by tc, what does not is left as it came; and real sockets through it. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { layouts } from '../../src/engines/ebpf/layout.ts'
import { addServer, addService, aServer, aService, within } from '../../src/engines/engine.contract.ts'
import type { RealServer, ServiceId, Tunnel } from '../../src/lvs/service.ts'
import { encodeFrame, type TcpFlag } from '../ipvs/packets.ts'
import { eventually } from '../net/loopback.ts'
import { fragments, withHops, withOptions, wrongChecksums } from './frames.ts'
import { echoed, port as echoPort, openLab, serve } from './lab.ts'
import { openPacketWorld, type PacketWorld } from './packet-world.ts'
import { addresses, attachProgram, makeChecksums } from './topology.ts'
import { execute } from './world.ts'

type Protocol = 'tcp' | 'udp'
const families = ['ipv4', 'ipv6'] as const
type Family = (typeof families)[number]
const vips = { ipv4: '10.50.0.1', ipv6: 'fd50::1' } as const
const clients = { ipv4: '198.51.100.7', ipv6: '2001:db8::7' } as const
const servers = { ipv4: '10.50.0.2', ipv6: 'fd50::2' } as const

let world: PacketWorld
let port = 1000
beforeAll(async () => {
  await execute(process.execPath, ['scripts/build.mjs'])
  world = await openPacketWorld({ xdp: 'native' })
})
afterAll(() => world[Symbol.asyncDispose]())

type Stage = {
  /** A packet from the client to the service. */
  readonly frame: (flags?: TcpFlag[], payload?: string) => Buffer
  /** Of the server: packets and bytes. */
  readonly counted: () => Promise<number[]>
  readonly state: () => Promise<string>
}

/** Sent ahead, just after one that went by tc: its way is kept, and the director has vouched for it. */
function ahead(before: Buffer, frame = before): ReturnType<PacketWorld['runAhead']> {
  const { bytes } = world.engine.program.maps.vouched
  bytes.writeBigUInt64LE(process.hrtime.bigint() + 60_000_000_000n, layouts.vouched.at.until)
  expect(world.run(before).verdict).toBe('send')
  return world.runAhead(frame)
}

/** A service with one connection. */
async function stage(family: Family, protocol: Protocol, over: Partial<RealServer>): Promise<Stage> {
  const id: ServiceId = { kind: 'address', protocol, address: vips[family], port: port++ }
  const server = aServer(over.forwarding === 'masq' ? 8080 : id.port, { address: servers[family], ...over })
  await world.engine.apply([addService(aService(id)), addServer(id, server)], within())
  const frame: Stage['frame'] = (flags = ['ack'], payload = 'some words') =>
    Buffer.from(
      encodeFrame({
        protocol, flags: protocol === 'tcp' ? flags : [], chunks: [], payload, mark: 0,
        from: { address: clients[family], port: 40_000 }, to: id,
      }), // biome-ignore format: one packet
    )
  expect(world.run(frame(['syn'])).verdict).toBe('send')
  expect(world.run(frame()).verdict).toBe('send')
  return {
    frame,
    async counted() {
      const [snapshot] = await world.engine.read({ ...within(), only: [id] })
      const { connections, packetsIn, bytesIn } = snapshot?.servers[0]?.counters ?? {}
      return [connections ?? 0, packetsIn ?? 0, bytesIn ?? 0]
    },
    async state() {
      for await (const connection of world.engine.connections(within()))
        if ('service' in connection && connection.service.port === id.port) return connection.state
      return 'none'
    },
  }
}

const gre: Tunnel = { type: 'gre', checksum: 'nocsum' }
const both = families.flatMap((family) => (['tcp', 'udp'] as const).map((protocol) => ({ family, protocol })))

describe('frames ahead of the stack', () => {
  test.each(both)('$family $protocol, direct routing: as by tc, and counted once', async ({ family, protocol }) => {
    const { frame, counted } = await stage(family, protocol, { forwarding: 'direct' })
    const before = await counted()
    const sent = ahead(frame())
    expect(sent.verdict).toBe('back')
    expect(wrongChecksums(sent.frame)).toEqual([])
    expect(sent.frame).toEqual(world.run(frame()).frame)
    const bytes = frame().length - 14
    expect(await counted()).toEqual([1, (before[1] ?? 0) + 3, (before[2] ?? 0) + 3 * bytes])
  })

  test.each(
    families.flatMap((inner) =>
      families.flatMap((outer) => [undefined, gre].map((tunnel) => ({ inner, outer, tunnel }))),
    ),
  )('tunnel, $inner in $outer by $tunnel.type: as by tc', async ({ inner, outer, tunnel }) => {
    const over = { forwarding: 'tunnel', address: servers[outer], ...(tunnel === undefined ? {} : { tunnel }) } as const
    const { frame } = await stage(inner, 'tcp', over)
    const sent = ahead(frame())
    expect(sent.verdict).toBe('back')
    expect(wrongChecksums(sent.frame)).toEqual([])
    expect(sent.frame).toEqual(world.run(frame()).frame)
  })

  test('a FIN is followed, as by tc', async () => {
    const { frame, state } = await stage('ipv4', 'tcp', { forwarding: 'direct' })
    expect(await state()).toBe('ESTABLISHED')
    expect(ahead(frame(), frame(['fin', 'ack'])).verdict).toBe('back')
    expect(await state()).toBe('FIN_WAIT')
  })

  test.each(families)('%s: all else is left as it came, and nothing is counted or followed', async (family) => {
    const { frame, counted, state } = await stage(family, 'tcp', { forwarding: 'direct' })
    const other = Buffer.from(frame())
    other[5] = 0x77
    const tagged = Buffer.concat([frame().subarray(0, 12), Buffer.from([0x81, 0, 0, 7]), frame().subarray(12)])
    const frames = [
      frame(['syn']),
      frame(['rst']),
      withHops(frame(), 1),
      frame(['ack'], 'x'.repeat(1500)),
      other,
      tagged,
      frame().subarray(0, 50),
      ...(family === 'ipv4' ? [withOptions(frame()), ...fragments(frame(['ack'], 'y'.repeat(60)), 24)] : []),
    ]
    expect(ahead(frame()).verdict).toBe('back')
    const sent = [await counted(), await state()]
    for (const one of frames) expect(world.runAhead(one)).toEqual({ verdict: 'pass', frame: one })
    expect([await counted(), await state()]).toEqual(sent)
  })

  test.each([
    { name: 'NAT', over: { forwarding: 'masq' } },
    { name: 'local', over: { forwarding: 'local' } },
    { name: 'GUE', over: { forwarding: 'tunnel', tunnel: { type: 'gue', port: 6080, checksum: 'nocsum' } } },
  ] as const)('$name is not for it', async ({ over }) => {
    if (over.forwarding === 'local') {
      const id: ServiceId = { kind: 'address', protocol: 'udp', address: vips.ipv4, port: port++ }
      await world.engine.apply(
        [addService(aService(id)), addServer(id, aServer(id.port, { address: vips.ipv4, ...over }))],
        within(),
      )
      const from = { address: clients.ipv4, port: 41_000 }
      const frame = Buffer.from(
        encodeFrame({ protocol: 'udp', flags: [], chunks: [], payload: 'x', mark: 0, from, to: id }),
      )
      world.run(frame)
      expect(world.runAhead(frame)).toEqual({ verdict: 'pass', frame })
      return
    }
    const { frame } = await stage('ipv4', 'tcp', over)
    expect(ahead(frame())).toEqual({ verdict: 'pass', frame: frame() })
  })

  test('a way that has changed is left to tc, which asks for the new one', async () => {
    const { frame } = await stage('ipv4', 'udp', { forwarding: 'direct' })
    expect(ahead(frame()).verdict).toBe('back')
    const lladdr = '02:00:00:00:02:02'
    const replace = ['-n', world.namespace, 'neighbour', 'replace', servers.ipv4, 'dev', 'lan', 'nud', 'permanent']
    await execute('ip', [...replace, 'lladdr', lladdr])
    await eventually('it is heard of', () => world.runAhead(frame()).verdict === 'pass')
    await eventually('it is found anew', () => {
      world.run(frame())
      return world.runAhead(frame()).verdict === 'back'
    })
    expect([...world.runAhead(frame()).frame.subarray(0, 6)]).toEqual([2, 0, 0, 0, 2, 2])
    await execute('ip', [...replace, 'lladdr', '02:00:00:00:01:02'])
  })
})

describe.each(['direct', 'tunnel'] as const)('real sockets, %s', (mode) => {
  test('connections go ahead of the stack, are followed, and end', async () => {
    await using lab = await openLab(mode, { director: ['--xdp', 'native', '--interface', 'veth10', 'veth12', 'lo'] })
    // A pair of veth takes frames of XDP only where the other end runs a program, too.
    await attachProgram(lab.topology.name('server'), 'veth21', 'ahead', 'pass')
    await attachProgram(lab.topology.name('client'), 'veth01', 'ahead', 'pass')
    // As hardware gives frames: with checksums that are made.
    makeChecksums(lab.topology.name('client'), 'veth01')
    for (const family of families) {
      const { vip, server } = addresses[family]
      const [service = '', real = ''] = [vip, server].map((address) =>
        family === 'ipv6' ? `[${address}]:${echoPort}` : `${address}:${echoPort}`,
      )
      await lab.ipvsadm('-A', '-t', service, '-s', 'rr')
      await lab.ipvsadm('-a', '-t', service, '-r', real, mode === 'direct' ? '-g' : '-i')
      serve(lab, family, 'TCP', mode)
      await eventually(`${mode} ${family}`, () => echoed(lab, family, 'TCP'))
      // Much of it: the way is found by the first packets.
      const to = family === 'ipv6' ? `TCP6:[${vip}]:${echoPort}` : `TCP4:${vip}:${echoPort}`
      const much = `head -c 8000000 /dev/zero | timeout 15 socat -t 5 - ${to} | wc -c`
      expect((await lab.topology.run('client', 'sh', '-c', much)).trim()).toBe('8000000')
    }
    const listed = await lab.ipvsadm('-Lnc')
    expect(listed).toMatch(/TCP .*FIN_WAIT/u)
    expect(listed).not.toMatch(/ESTABLISHED/u)
    const [link] = JSON.parse(await lab.topology.run('director', 'ip', '-d', '-j', 'link', 'show', 'veth10'))
    expect(link.xdp.attached.length).toBeGreaterThan(0)
    const [sent] = JSON.parse(await lab.topology.run('server', 'ip', '-s', '-j', 'link', 'show', 'veth21'))
    expect(sent.stats64.rx.bytes).toBeGreaterThan(16_000_000)
  })
})
