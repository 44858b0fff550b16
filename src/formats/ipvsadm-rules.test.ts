import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { parseAddress } from '../lvs/address.ts'
import {
  type RealServer,
  realServerKey,
  type Service,
  type ServiceId,
  schedulerNames,
  serviceKey,
} from '../lvs/service.ts'
import { parseRules, printRules } from './ipvsadm-rules.ts'

const names = {
  host: (name: string) => (name === 'vip' ? '10.0.0.77' : undefined),
  port: (name: string) => (name === 'http' ? 80 : undefined),
}

describe('a rules file', () => {
  test('has comments, empty lines and names, and may be written as commands', () => {
    const text = '# rules\n\n-A -t vip:http -s rr\nipvsadm -a -t vip:http -r 10.9.0.2:8080 -m\n#-C\n--set 1 2 3'
    const id = { kind: 'address', protocol: 'tcp', address: '10.0.0.77', port: 80 } as const
    expect(parseRules(text, names)).toEqual({
      problems: [],
      edits: [
        {
          line: 3,
          edit: { kind: 'service.add', service: { id, scheduler: 'rr', schedulerFlags: [], onePacket: false } },
        },
        {
          line: 4,
          edit: {
            kind: 'server.add',
            id,
            server: {
              address: '10.9.0.2',
              port: 8080,
              forwarding: 'masq',
              weight: 1,
              upperThreshold: 0,
              lowerThreshold: 0,
            },
          },
        },
        { line: 6, edit: { kind: 'timeouts', timeouts: { tcp: 1, tcpFin: 2, udp: 3 } } },
      ],
    })
  })

  test('is read to its end: every line that is no rule is named', () => {
    const text = '-A -t nobody:80\n-A -t 10.0.0.1:80\nfoo\n-A -t 10.0.0.1:81 --bogus\n-L -n\n-A -f 3 -s nosuch\n-A -6\n'
    const { edits, problems } = parseRules(text, names)
    expect(edits.map(({ line }) => line)).toEqual([2])
    expect(problems.map(({ line, message }) => `${line}: ${message}`)).toEqual([
      '1: illegal virtual server address[:port] specified',
      '3: this is no command of ipvsadm',
      '4: --bogus: unknown option',
      '5: changes nothing',
      '6: Scheduler or persistence engine not found',
      '7: -6 used before -f',
    ])
  })
})

const ipv4 = fc.ipV4().map((text) => parseAddress(text) ?? '10.0.0.1')
const ipv6 = fc.ipV6().map((text) => parseAddress(text) ?? 'fd00::1')
const port = fc.integer({ min: 1, max: 65_535 })
const ownFlags: Readonly<Record<string, readonly string[]>> = {
  sh: ['sh-fallback', 'sh-port'],
  mh: ['mh-fallback', 'mh-port'],
}

const id: fc.Arbitrary<ServiceId> = fc.oneof(
  fc.record({
    kind: fc.constant('address' as const),
    protocol: fc.constantFrom('tcp' as const, 'udp' as const, 'sctp' as const),
    address: fc.oneof(ipv4, ipv6),
    port,
  }),
  fc.record({
    kind: fc.constant('fwmark' as const),
    mark: fc.integer({ min: 1, max: 0xffff_ffff }),
    family: fc.constantFrom('ipv4' as const, 'ipv6' as const),
  }),
)

function isIpv6(service: ServiceId): boolean {
  return service.kind === 'fwmark'
    ? service.family === 'ipv6'
    : service.kind === 'address' && service.address.includes(':')
}

const service: fc.Arbitrary<Service> = fc
  .record({
    id,
    scheduler: fc.constantFrom(...schedulerNames, 'none' as const),
    bits: fc.subarray([0, 1, 2]),
    persistence: fc.option(
      fc.record({
        timeoutSeconds: fc.integer({ min: 1, max: 2_678_400 }),
        prefix: fc.integer({ min: 1, max: 128 }),
        mask: ipv4,
      }),
    ),
    engine: fc.boolean(),
    onePacket: fc.boolean(),
  })
  .map(({ id, scheduler, bits, persistence, engine, onePacket }) => ({
    id,
    scheduler,
    schedulerFlags: bits.map((bit) => ownFlags[scheduler]?.[bit] ?? `flag-${bit + 1}`),
    ...(persistence === null
      ? engine
        ? { idlePersistenceEngine: 'sip' as const }
        : {}
      : {
          persistence: {
            timeoutSeconds: persistence.timeoutSeconds,
            mask: isIpv6(id) ? String(persistence.prefix) : persistence.mask,
            ...(engine ? { engine: 'sip' as const } : {}),
          },
        }),
    onePacket: onePacket && (id.kind === 'fwmark' || (id.kind === 'address' && id.protocol === 'udp')),
  }))

const small = fc.integer({ min: 0, max: 0x7fff_ffff })
const tunnel = fc.oneof(
  fc.constant({}),
  fc.record({
    tunnel: fc.record({
      type: fc.constant('gre' as const),
      checksum: fc.constantFrom('nocsum' as const, 'csum' as const),
    }),
  }),
  fc.record({
    tunnel: fc.record({
      type: fc.constant('gue' as const),
      port,
      checksum: fc.constantFrom('nocsum' as const, 'csum' as const, 'remcsum' as const),
    }),
  }),
)

function serversOf(of: ServiceId): fc.Arbitrary<RealServer[]> {
  const own = isIpv6(of) ? ipv6 : ipv4
  const numbers = { weight: small, upperThreshold: small, lowerThreshold: small }
  // What is not rewritten arrives at the service's own port.
  const samePort = of.kind === 'address' ? fc.constant(of.port) : port
  const masq = fc.record({ address: own, port, forwarding: fc.constant('masq' as const), ...numbers })
  const direct = fc.record({ address: own, port: samePort, forwarding: fc.constant('direct' as const), ...numbers })
  const tunnelled = fc
    .tuple(
      fc.record({
        address: fc.oneof(ipv4, ipv6),
        port: samePort,
        forwarding: fc.constant('tunnel' as const),
        ...numbers,
      }),
      tunnel,
    )
    .map(([server, how]) => ({ ...server, ...how }))
  return fc.uniqueArray(fc.oneof(masq, direct, tunnelled), { selector: realServerKey, maxLength: 4 })
}

const table = fc
  .uniqueArray(service, { selector: ({ id }) => serviceKey(id), maxLength: 4 })
  .chain((services) =>
    fc.tuple(...services.map((one) => serversOf(one.id).map((servers) => ({ service: one, servers })))),
  )

describe('printed rules', () => {
  test('make the same table again, servers in the same order', () => {
    fc.assert(
      fc.property(table, (services) => {
        const { edits, problems } = parseRules(printRules(services), names)
        expect(problems).toEqual([])
        expect(edits.map(({ edit }) => edit)).toEqual(
          services.flatMap(({ service, servers }) => [
            { kind: 'service.add', service },
            ...servers.toReversed().map((server) => ({ kind: 'server.add', id: service.id, server })),
          ]),
        )
      }),
      { numRuns: 400 },
    )
  })

  test('leave out what ipvsadm has no form for', () => {
    const pool = { id: { kind: 'pool', name: 'api' }, scheduler: 'rr', schedulerFlags: [], onePacket: false } as const
    expect(printRules([{ service: pool, servers: [] }])).toBe('')
  })
})
