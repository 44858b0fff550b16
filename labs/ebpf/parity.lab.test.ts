/** The program decides as IPVS in memory does, packet for packet and edit for edit; both are told the same. */
import fc from 'fast-check'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { ebpfCapabilities } from '../../src/engines/ebpf/capabilities.ts'
import { type PacketServiceId, packetFamily } from '../../src/engines/ebpf/encode.ts'
import { layouts } from '../../src/engines/ebpf/layout.ts'
import { addServer, addService, aServer, aService, within } from '../../src/engines/engine.contract.ts'
import type { Connection, Engine, EngineChange } from '../../src/engines/engine.ts'
import { type FakeEngine, fakeEngine } from '../../src/engines/fake/fake.ts'
import type { Verdict } from '../../src/lvs/packet.ts'
import {
  type Endpoint,
  type Forwarding,
  formatEndpoint,
  type Service,
  type ServiceId,
  serviceKey,
} from '../../src/lvs/service.ts'
import { decodeFrame, encodeFrame, enginePacket, type Packet, type TcpFlag } from '../ipvs/packets.ts'
import { openPacketWorld, type PacketWorld } from './packet-world.ts'
import { serverMac } from './world.ts'

const services: readonly PacketServiceId[] = [
  { kind: 'address', protocol: 'tcp', address: '10.50.0.1', port: 80 },
  { kind: 'address', protocol: 'udp', address: '10.50.0.1', port: 53 },
  { kind: 'address', protocol: 'tcp', address: 'fd50::1', port: 80 },
  { kind: 'address', protocol: 'tcp', address: '10.50.0.1', port: 21 },
  { kind: 'address', protocol: 'tcp', address: '10.50.0.1', port: 0 },
  { kind: 'address', protocol: 'udp', address: 'fd50::1', port: 0 },
  { kind: 'fwmark', mark: 5, family: 'ipv4' },
  { kind: 'fwmark', mark: 0x8000_0005, family: 'ipv6' },
]
/** Where packets go, by protocol; some of them are for no service but by their mark, or their address alone. */
const targets = (['tcp', 'udp'] as const).flatMap((protocol) =>
  ['10.50.0.1', 'fd50::1'].flatMap((address) => [80, 53, 21, 20, 2000].map((port) => ({ protocol, address, port }))),
)
const marks = [0, 0, 5, 0x8000_0005, 6]
/** Without a service of a family IPVS looks at none of its packets: these stay. */
const sentinels: readonly ServiceId[] = [
  { kind: 'address', protocol: 'tcp', address: '10.50.0.1', port: 9 },
  { kind: 'address', protocol: 'tcp', address: 'fd50::1', port: 9 },
]
const numbers = [2, 3, 4, 5, 6, 7]
const forwardingOf = (number: number): Forwarding => (number === 6 ? 'direct' : number === 7 ? 'tunnel' : 'masq')

type Step =
  | {
      readonly kind: 'service'
      readonly service: number
      readonly scheduler: number
      readonly flags: number
      readonly mask: number
      readonly onePacket: boolean
    }
  | { readonly kind: 'removeService'; readonly service: number }
  | {
      readonly kind: 'server'
      readonly service: number
      readonly server: number
      readonly weight: number
      readonly upper: number
      readonly lower: number
    }
  | { readonly kind: 'removeServer'; readonly service: number; readonly server: number }
  | { readonly kind: 'settings'; readonly reuse: number; readonly sloppy: number; readonly bits: number }
  | {
      readonly kind: 'packet'
      readonly target: number
      readonly mark: number
      readonly client: number
      readonly flags: number
    }
  | { readonly kind: 'unknownError'; readonly target: number; readonly mark: number; readonly client: number }
  | { readonly kind: 'reply'; readonly nth: number; readonly flags: number }
  | { readonly kind: 'error'; readonly nth: number; readonly isReply: boolean }

const service = fc.nat(services.length - 1)
const server = fc.nat(numbers.length - 1)
const flagSets: readonly (readonly TcpFlag[])[] = [
  ['syn'],
  ['syn'],
  ['syn'],
  ['ack'],
  ['fin', 'ack'],
  ['rst'],
  ['syn', 'ack'],
  [],
]
const flags = fc.nat(flagSets.length - 1)
const steps = fc.array(
  fc.oneof(
    {
      weight: 2,
      arbitrary: fc.record({
        kind: fc.constant('service' as const),
        service,
        scheduler: fc.nat(50),
        flags: fc.nat(3),
        mask: fc.nat(5),
        onePacket: fc.boolean(),
      }),
    },
    { weight: 1, arbitrary: fc.record({ kind: fc.constant('removeService' as const), service }) },
    {
      weight: 6,
      arbitrary: fc.record({
        kind: fc.constant('server' as const),
        service,
        server,
        weight: fc.nat(6),
        upper: fc.constantFrom(0, 0, 0, 1, 2, 4),
        lower: fc.nat(2),
      }),
    },
    { weight: 2, arbitrary: fc.record({ kind: fc.constant('removeServer' as const), service, server }) },
    {
      weight: 1,
      arbitrary: fc.record({
        kind: fc.constant('settings' as const),
        reuse: fc.nat(3),
        sloppy: fc.nat(1),
        bits: fc.nat(15),
      }),
    },
    {
      weight: 24,
      arbitrary: fc.record({
        kind: fc.constant('packet' as const),
        target: fc.nat(targets.length - 1),
        mark: fc.nat(marks.length - 1),
        client: fc.nat(60),
        flags,
      }),
    },
    {
      weight: 1,
      arbitrary: fc.record({
        kind: fc.constant('unknownError' as const),
        target: fc.nat(targets.length - 1),
        mark: fc.nat(marks.length - 1),
        client: fc.nat(60),
      }),
    },
    { weight: 10, arbitrary: fc.record({ kind: fc.constant('reply' as const), nth: fc.nat(200), flags }) },
    {
      weight: 2,
      arbitrary: fc.record({ kind: fc.constant('error' as const), nth: fc.nat(200), isReply: fc.boolean() }),
    },
  ),
  { minLength: 20, maxLength: 90 },
)

let world: PacketWorld
beforeAll(async () => {
  world = await openPacketWorld()
})
afterAll(() => world[Symbol.asyncDispose]())

/** twos decides by chance. */
const schedulers = ebpfCapabilities.schedulers.filter((name) => name !== 'twos')

function changesOf(step: Step): EngineChange[] {
  const id = 'service' in step ? services[step.service] : undefined
  switch (step.kind) {
    case 'service': {
      const scheduler = schedulers[step.scheduler % schedulers.length] ?? 'rr'
      const isHashed = scheduler === 'sh' || scheduler === 'mh'
      const all = isHashed ? [`${scheduler}-fallback`, `${scheduler}-port`] : []
      return id === undefined
        ? []
        : [
            addService(
              aService(id, {
                scheduler,
                schedulerFlags: all.slice(step.flags >> 1),
                ...persistenceOf(id, step.mask),
                onePacket: step.onePacket && (id.kind === 'fwmark' || id.protocol === 'udp'),
              }),
            ),
          ]
    }
    case 'removeService':
      return id === undefined ? [] : [{ kind: 'service.remove', id }]
    case 'server': {
      const number = numbers[step.server] ?? 2
      if (id === undefined) return []
      const forwarding = forwardingOf(number)
      const port = serverPort(id, number)
      const thresholds = { upperThreshold: step.upper, lowerThreshold: Math.min(step.lower, step.upper) }
      return [
        addServer(
          id,
          aServer(port, { address: addressOf(id, number), forwarding, weight: step.weight, ...thresholds }),
        ),
      ]
    }
    case 'removeServer': {
      const number = numbers[step.server] ?? 2
      if (id === undefined) return []
      const server = { address: addressOf(id, number), port: serverPort(id, number) }
      return [{ kind: 'server.remove', id, server }]
    }
    case 'settings':
      return [
        {
          kind: 'settings',
          settings: {
            sysctls: {
              conn_reuse_mode: step.reuse,
              sloppy_tcp: step.sloppy,
              expire_quiescent_template: step.bits & 1,
              schedule_icmp: (step.bits >> 1) & 1,
              secure_tcp: (step.bits & 4) === 0 ? 0 : 3,
              drop_packet: (step.bits & 8) === 0 ? 0 : 3,
              am_droprate: 4,
            },
          },
        },
      ]
    default:
      return []
  }
}

function addressOf(id: { readonly address: string } | PacketServiceId, number: number): string {
  const isIpv6 = 'address' in id ? id.address.includes(':') : id.family === 'ipv6'
  return isIpv6 ? `fd50::${number}` : `10.50.0.${number}`
}

function serverPort(id: PacketServiceId, number: number): number {
  if (forwardingOf(number) !== 'masq') return id.kind === 'fwmark' ? 0 : id.port
  // Some have none: it is the packet's then.
  return number === 5 ? 0 : 8000 + number
}

function persistenceOf(id: PacketServiceId, mask: number): Partial<Service> {
  const masks =
    packetFamily(id) === 'ipv6' ? ['128', '64', '123'] : ['255.255.255.255', '255.255.255.0', '255.255.255.241']
  const chosen = masks[mask]
  return chosen === undefined ? {} : { persistence: { timeoutSeconds: 300, mask: chosen } }
}

function packet(over: Partial<Packet> & Pick<Packet, 'protocol' | 'from' | 'to'>): Packet {
  return { flags: [], chunks: [], payload: 'x', mark: 0, ...over }
}

async function packetOf(step: Step, model: FakeEngine): Promise<Packet | undefined> {
  if (step.kind === 'packet' || step.kind === 'unknownError') {
    const to = targets[step.target]
    if (to === undefined) return undefined
    const mark = marks[step.mark] ?? 0
    const address = to.address.includes(':') ? `2001:db8::${step.client + 1}` : `198.51.100.${step.client + 1}`
    const from = { address, port: 4000 + step.client }
    if (step.kind === 'unknownError') {
      const about = packet({ protocol: to.protocol, from: to, to: from })
      return packet({ protocol: 'icmp', from: { address, port: 0 }, to: { ...to, port: 0 }, about, mark })
    }
    const flags = to.protocol === 'tcp' ? (flagSets[step.flags] ?? []) : []
    return packet({ protocol: to.protocol, from, to, flags, mark })
  }
  if (step.kind !== 'reply' && step.kind !== 'error') return undefined
  const standing = (await listed(model)).filter(
    ({ server: { port, address }, client }) => port > 0 && client.port > 0 && !/[67]$/u.test(address),
  )
  const connection = standing[step.nth % Math.max(standing.length, 1)]
  if (connection === undefined || connection.protocol === 'ip') return undefined
  const { protocol, client, service, server } = connection
  if (step.kind === 'reply')
    return packet({ protocol, from: server, to: client, flags: protocol === 'tcp' ? (flagSets[step.flags] ?? []) : [] })
  // From a router on the way: about what went to the server, or about what went back to the client.
  const router = client.address.includes(':') ? 'fd50::fe' : '10.50.0.254'
  const about = step.isReply
    ? packet({ protocol, from: service, to: client })
    : packet({ protocol, from: client, to: server })
  const to = step.isReply ? service.address : client.address
  return packet({ protocol: 'icmp', from: { address: router, port: 0 }, to: { address: to, port: 0 }, about })
}

/** On the wire nobody sees it. */
function withoutMark(sent: Packet): Packet {
  return { ...sent, mark: 0 }
}

async function listed(engine: Engine): Promise<Connection[]> {
  const all: Connection[] = []
  for await (const connection of engine.connections(within())) all.push(connection)
  return all
}

/** What the model says, in the words of what is seen on the wire. */
function expected(verdict: Verdict, sent: Packet): string {
  switch (verdict.kind) {
    case 'accept':
      return 'pass'
    case 'drop':
      return 'drop'
    case 'unreachable':
      return `no-port to ${sent.from.address}`
    case 'bypass':
      return 'bypass'
    case 'reply':
      return `${text(verdict.from)} > ${text(sent.protocol === 'icmp' ? { ...sent.to, port: 0 } : verdict.to)}`
    case 'forward':
      if (verdict.by === 'masq')
        return `${text(sent.from)} > ${text(sent.protocol === 'icmp' ? { ...verdict.to, port: 0 } : verdict.to)}`
      if (verdict.by === 'tunnel') return `${text(sent.from)} > ${text(sent.to)} in ${verdict.to.address}`
      return `${text(sent.from)} > ${text(sent.to)} at ${verdict.to.address}`
  }
}

const text = formatEndpoint

function seen({ verdict, frame }: ReturnType<PacketWorld['run']>, sent: Packet): string {
  if (verdict !== 'send') return verdict
  const found = decodeFrame(frame)
  if (found === undefined) return 'unreadable'
  if (found.kind !== 'packet') return `${found.kind} to ${found.to}`
  const way = `${text(found.from)} > ${text(found.to)}`
  if (found.outer !== undefined) return `${way} in ${found.outer.to}`
  const isUnchanged = text(found.to) === text(sent.to) && text(found.from) === text(sent.from)
  const direct = numbers.find((number) => serverMac(number) === found.toMac)
  return isUnchanged && direct !== undefined ? `${way} at ${addressOf(found.to, direct)}` : way
}

async function tableOf(engine: Engine): Promise<string[]> {
  return (await engine.read(within())).flatMap(({ service, servers, counters }) => [
    `${serviceKey(service.id)} ${counters.connections}`,
    ...servers.map(
      ({ server, active, inactive, persistent }) =>
        `  ${text(server as Endpoint)} ${server.weight} ${active} ${inactive} ${persistent}`,
    ),
  ])
}

describe('parity with IPVS in memory', () => {
  test('any edits and packets: the same way for each packet, the same counts after each step', async () => {
    await fc.assert(
      fc.asyncProperty(steps, async (all) => {
        const model = fakeEngine()
        const { engine } = world
        await emptied(engine)
        const begin: EngineChange[] = [
          ...sentinels.map((id) => addService(aService(id))),
          ...services.slice(0, 2).map((id) => addService(aService(id))),
        ]
        for (const one of [engine, model]) await one.apply(begin, within())
        const history: string[] = []
        for (const step of all) {
          history.push(JSON.stringify(step))
          const changes = changesOf(step)
          if (changes.length > 0) {
            const outcomes = await Promise.all(
              [engine, model].map((one) =>
                one.apply(changes, within()).then(
                  () => 'made',
                  (error: unknown) => String((error as { code?: string }).code),
                ),
              ),
            )
            expect(outcomes[0]).toBe(outcomes[1])
          }
          const sent = await packetOf(step, model)
          if (sent !== undefined) {
            const wanted = expected(model.receive({ ...enginePacket(withoutMark(sent)), mark: sent.mark }), sent)
            model.advance(1)
            expect(
              `${history.join('\n')}\n${seen(world.run(encodeFrame(withoutMark(sent)), { mark: sent.mark }), sent)}`,
            ).toBe(`${history.join('\n')}\n${wanted}`)
          }
          expect((await tableOf(engine)).map(withoutTotals), history.join('\n')).toEqual(
            (await tableOf(model)).map(withoutTotals),
          )
        }
        const [ours, theirs] = [await listed(engine), await listed(model)].map((connections) =>
          connections
            .map(({ protocol, client, service, server, state }) =>
              [protocol, ...[client, service, server].map(text), state].join(' '),
            )
            .sort(),
        )
        expect(ours).toEqual(theirs)
      }),
      { numRuns: Number(process.env['BATON_RUNS'] ?? 40) },
    )
  })
})

/** Counters show in the model when its clock has moved by two seconds. */
function withoutTotals(line: string): string {
  return line.startsWith(' ') ? line : line.replace(/ \d+$/u, '')
}

/** All connections end, too: their servers go, and what has none ends by its next look. */
async function emptied(engine: PacketWorld['engine']): Promise<void> {
  const ids = [...services, ...sentinels]
  const gone = ids.map((id): EngineChange => ({ kind: 'service.remove', id }))
  await engine.apply([{ kind: 'settings', settings: { sysctls: { expire_nodest_conn: 1 } } }, ...gone], within())
  while ((await listed(engine)).length > 0) {
    world.outlastTemplates()
    await new Promise((resolve) => setTimeout(resolve, 20))
  }
  // Which packet is dropped goes by how many have come before.
  const { totals } = world.engine.program.maps
  totals.bytes.writeBigUInt64LE(0n, layouts.totals.at.candidates)
  const defaults = {
    expire_nodest_conn: 0,
    conn_reuse_mode: 1,
    sloppy_tcp: 0,
    expire_quiescent_template: 0,
    schedule_icmp: 0,
    secure_tcp: 0,
    drop_packet: 0,
    am_droprate: 10,
  }
  await engine.apply([{ kind: 'settings', settings: { sysctls: defaults } }], within())
}
