/** Random checks that a file can say, for property tests. */
import fc from 'fast-check'
import { type CheckSpec, dnsQuestionTypes, type ProbeSpec } from '../../health/check.ts'
import type { ServiceId } from '../../lvs/service.ts'
import { serviceAddress } from './check-normalize.ts'

const pattern = fc.constantFrom('ok', '^a$', '${X}', '[0-9]+: "$"', '12')
const text = fc.constantFrom('', 'x', '12', 'true', '${X}', 'a: b #', 'line\n')
const host = fc.constantFrom('example.org', '12', '[::1]:80')
const sni = fc.constantFrom('example.org', '12')
const tls = fc.record({ verify: fc.boolean(), sni }, { requiredKeys: ['verify'] })
const hex = fc
  .uint8Array({ maxLength: 3 })
  .map((bytes) => Array.from(bytes, (byte) => (byte | 256).toString(16).slice(1)).join(''))
const always = fc.constant(true as const)

const method = fc.oneof(
  fc.constant({}),
  fc.record({ body: pattern }),
  fc.record({
    body: pattern,
    bodyMatch: fc.constantFrom({ flags: 'im' }, { isAbsent: true as const, from: 3, until: 9 }),
  }),
  fc.record({ md5: fc.constant('00112233445566778899aabbccddeeff') }),
  fc.constant({ method: 'HEAD' as const }),
  fc.record({ method: fc.constant('POST' as const), send: text, body: pattern }, { requiredKeys: ['method'] }),
)

const request = fc
  .tuple(
    method,
    fc.record(
      {
        status: fc.array(
          fc.oneof(
            fc.integer({ min: 100, max: 599 }),
            fc.tuple(fc.integer({ min: 100, max: 300 }), fc.integer({ min: 300, max: 599 })),
          ),
          { minLength: 1, maxLength: 3 },
        ),
        headers: fc.constantFrom({ 'X-Check': '1' }, { a: '', b: '${X}: "y"' }),
        redirects: fc.integer({ min: 1, max: 20 }),
        tls,
      },
      { requiredKeys: ['status'] },
    ),
  )
  .map(([method, rest]) => ({ ...rest, ...method }))

const login = fc.record({ user: text, password: text })
const securing = fc.oneof(fc.constant({}), fc.record({ tls }), fc.record({ starttls: tls }))

/** Kinds with TLS or STARTTLS, a login, and these texts. */
function securable(kind: ProbeSpec['kind'], more: Record<string, fc.Arbitrary<string>>): fc.Arbitrary<ProbeSpec> {
  return fc
    .tuple(fc.record({ login, ...more }, { requiredKeys: [] }), securing)
    .map(([rest, secured]) => ({ kind, ...rest, ...secured }) as unknown as ProbeSpec)
}

const database = (kind: 'mysql' | 'pgsql'): fc.Arbitrary<ProbeSpec> =>
  fc.oneof(
    fc.record({ kind: fc.constant(kind), tls }, { requiredKeys: ['kind'] }),
    fc.record(
      { kind: fc.constant(kind), login, database: text, query: text, tls },
      { requiredKeys: ['kind', 'login'] },
    ),
  )

const protocol: fc.Arbitrary<ProbeSpec> = fc.oneof(
  securable('smtp', { helo: host }),
  securable('submission', { helo: host }),
  securable('pop3', {}),
  securable('imap', { mailbox: text }),
  securable('nntp', { group: text }),
  securable('ftp', { path: text, body: pattern }),
  securable('ldap', { base: text, filter: fc.constantFrom('(objectClass=*)', '(&(cn=${X})(!(ou=a b)))'), pattern }),
  database('mysql'),
  database('pgsql'),
  fc.record(
    { kind: fc.constant('redis' as const), login, role: fc.constantFrom('master' as const, 'replica' as const), tls },
    { requiredKeys: ['kind'] },
  ),
  fc.record({
    kind: fc.constant('sip' as const),
    transport: fc.constantFrom('udp' as const, 'tcp' as const),
    user: fc.constantFrom('a@b', '${X}@12'),
    status: fc.constantFrom([200], [[200, 299] as const, 404]),
  }),
  fc.record({
    kind: fc.constant('radius' as const),
    login,
    secret: text,
    accept: fc.subarray(['accept', 'reject', 'challenge'] as const, { minLength: 1 }),
  }),
  fc.record(
    { kind: fc.constant('simpletcp' as const), send: text, expect: pattern, halfClose: always, tls },
    { requiredKeys: ['kind'] },
  ),
)

function probe(id: ServiceId): fc.Arbitrary<ProbeSpec> {
  const service = serviceAddress(id)
  return fc.oneof(
    protocol,
    fc.constant({ kind: 'tcp' as const }),
    fc.record(
      {
        kind: fc.constant('udp' as const),
        sendHex: hex,
        expect: fc.oneof(fc.record({ pattern }), fc.constantFrom({ hex: '0a1b' }, { hex: '1x' }, { hex: '12' })),
        minimumBytes: fc.nat(65_535),
        maximumBytes: fc.nat(65_535),
      },
      { requiredKeys: ['kind'] },
    ),
    fc.record(
      { kind: fc.constant('ping' as const), bytes: fc.nat(65_507), attempts: fc.integer({ min: 1, max: 100 }) },
      { requiredKeys: ['kind'] },
    ),
    fc
      .tuple(fc.stringMatching(/^\/[!-~]{0,10}$/), fc.record({ host }, { requiredKeys: [] }), request)
      .map(([path, host, request]) => ({ kind: 'http' as const, path, ...host, ...request })),
    fc
      .tuple(fc.constantFrom('http://www.shop/', 'https://a:81/${X}?#', 'http://12'), request)
      .map(([url, request]) => ({ kind: 'http-proxy' as const, url, ...request })),
    fc.record(
      {
        kind: fc.constant('dns' as const),
        name: fc.constantFrom('www.shop', '.', '12', '_sip._udp.a'),
        type: fc.constantFrom(...dnsQuestionTypes),
        transport: fc.constantFrom('udp' as const, 'tcp' as const),
        expect: fc.array(text, { minLength: 1, maxLength: 2 }),
        pattern,
      },
      { requiredKeys: ['kind', 'name', 'type', 'transport'] },
    ),
    fc.record(
      { kind: fc.constant('tls' as const), minimumDays: fc.nat(36_500), verify: fc.boolean(), sni },
      { requiredKeys: ['kind', 'minimumDays', 'verify'] },
    ),
    fc.record(
      {
        kind: fc.constant('file' as const),
        path: fc.constantFrom('/run/a', '/b c'),
        weight: fc.integer({ min: 1, max: 9 }),
      },
      { requiredKeys: ['kind', 'path'] },
    ),
    fc.record({ kind: fc.constant('grpc' as const), service: text, authority: host, tls }, { requiredKeys: ['kind'] }),
    fc.record(
      {
        kind: fc.constant('external' as const),
        command: fc.constantFrom(
          { shell: 'test -e /srv/up; exit $?' },
          { shell: '12' },
          { argv: ['/bin/check', '', '1', '${X}', 'a b'] },
        ),
        positional: always,
        ...(service === undefined ? {} : { service: fc.constant(service) }),
        environment: fc.constantFrom({ A: '1', b_2: '${X}' }),
        exitIsWeight: always,
      },
      {
        requiredKeys: ['kind', 'command', ...(service === undefined ? [] : (['service'] as const))] as (
          | 'kind'
          | 'command'
        )[],
      },
    ),
    fc.record({ kind: fc.constant('agent' as const), send: text }, { requiredKeys: ['kind'] }),
  )
}

const time = fc.integer({ min: 10, max: 86_400_000 })
const count = fc.integer({ min: 1, max: 1000 })

export function randomCheck(id: ServiceId): fc.Arbitrary<CheckSpec> {
  return fc
    .record(
      {
        probe: probe(id),
        address: fc.constantFrom('10.9.8.7', 'fd00::9'),
        port: fc.integer({ min: 1, max: 65_535 }),
        everyMs: time,
        timeoutMs: time,
        rise: count,
        fall: count,
        connects: fc.record({ connects: count, connectTimeoutMs: time }, { requiredKeys: ['connects'] }),
        warmUpMs: time,
        presumed: always,
        doubtEveryMs: time,
        from: fc.record(
          {
            address: fc.constantFrom('10.9.8.6', 'fd00::8'),
            port: fc.integer({ min: 1, max: 65_535 }),
            interface: fc.constantFrom('eth0', 'a.b'),
            mark: fc.nat(),
          },
          { requiredKeys: ['address'] },
        ),
        damping: fc.record({ changes: fc.integer({ min: 2, max: 1000 }), withinMs: time, holdMs: time }),
      },
      { requiredKeys: ['probe', 'everyMs', 'timeoutMs', 'rise', 'fall'] },
    )
    .map(({ connects, from, ...check }) => ({
      ...check,
      ...(connects === undefined || !canConnect(check.probe) ? {} : connects),
      ...(from === undefined || ['http-proxy', 'grpc', 'external', 'file'].includes(check.probe.kind) ? {} : { from }),
    }))
}

/** Whether checks over this protocol may only connect now and then. */
function canConnect(probe: ProbeSpec): boolean {
  if (probe.kind === 'dns' || probe.kind === 'sip') return probe.transport === 'tcp'
  return !['tcp', 'udp', 'ping', 'radius', 'file'].includes(probe.kind)
}
