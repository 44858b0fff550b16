import { describe, expect, test } from 'vitest'
import type { CheckSpec } from '../../health/check.ts'
import { formatDiagnostic } from './diagnostic.ts'
import type { ClusterSpec } from './model.ts'
import { parseSpec } from './parse.ts'
import { printSpec } from './print.ts'

function read(text: string): { spec: ClusterSpec | undefined; said: string[] } {
  const { spec, diagnostics } = parseSpec({
    file: 'f',
    text,
    environment: {},
    readInclude: () => undefined,
    directory: '/etc/baton',
  })
  return { spec, said: diagnostics.map(formatDiagnostic) }
}

const service = (inside: string): string =>
  `name: shop\nservices:\n  www: { address: 10.0.0.1:80, servers: [{ address: 10.0.0.2:80 }, { address: 10.0.0.3:80, check: none }], ${inside} }\n`
const check = (inside: string): CheckSpec | undefined =>
  read(service(`check: { ${inside} }`)).spec?.services['www']?.checks[0]

describe('what a file says of health', () => {
  test('all of it arrives, and is printed again', () => {
    const text = `${service('check: [tcp, { http: / }], panic-threshold: 40, slow-start: 30s, fallback-command: "page $$USER"')}directors: { maintenance: maint }\n`
    const { spec, said } = read(text)
    expect(said).toEqual([])
    expect(spec?.directors.maintenance).toBe('/etc/baton/maint')
    const { checks, servers, ...www } = spec?.services['www'] ?? { checks: [], servers: [] }
    expect(www).toMatchObject({ panicPercent: 40, slowStartMs: 30_000, fallbackCommand: 'page $USER' })
    expect(checks.map(({ probe }) => probe.kind)).toEqual(['tcp', 'http'])
    expect(servers.map((server) => server.checks)).toEqual([undefined, []])
    expect(read(spec === undefined ? '' : printSpec(spec)).spec).toEqual(spec)
  })

  test('a check says where, how often it only connects, when it begins and what flapping is', () => {
    expect(
      check(
        'http: /, address: "fd00::7", port: 8, connects: 5, connect-timeout: 2s, warm-up: 10s, flapping: { changes: 6, hold: 2m }',
      ),
    ).toMatchObject({
      address: 'fd00::7',
      port: 8,
      connects: 5,
      connectTimeoutMs: 2000,
      warmUpMs: 10_000,
      damping: { changes: 6, withinMs: 60_000, holdMs: 120_000 },
    })
    expect(check('ping: { attempts: 3 }')?.probe).toEqual({ kind: 'ping', attempts: 3 })
    expect(check('tcp: true, flapping: {}')?.damping).toEqual({ changes: 4, withinMs: 60_000, holdMs: 60_000 })
    expect(check('tcp: true')).not.toHaveProperty('damping')
  })

  test.each<[inside: string, said: string]>([
    [
      'check: tcp, slow-start: 30s, scheduler: rr',
      'f:3:120: slow-start does not go with scheduler rr: rr heeds no weights',
    ],
    ['check: tcp, scheduler: mh, slow-start: 30s', 'mh chooses by a hash of the client'],
    ['slow-start: 30s', 'warning: slow-start has nothing to go by: no server is checked'],
    ['panic-threshold: 50', 'warning: panic-threshold has nothing to go by'],
    ['panic-threshold: 0', 'panic-threshold: expected a whole number from 1 to 100, found 0'],
    ['panic-threshold: 101', 'panic-threshold: expected a whole number from 1 to 100, found 101'],
    ['fallback-command: ""', 'fallback-command has no value: expected a shell line'],
    ['check: { tcp: true, connects: 5 }', 'connects does not go with tcp'],
    ['check: { ping: true, connects: 5 }', 'connects does not go with ping'],
    ['check: { dns: { name: a }, connects: 5 }', 'connects opens TCP connections, but dns goes over udp'],
    ['check: { http: /, connect-timeout: 2s }', 'connect-timeout goes with connects only'],
    ['check: { tcp: true, address: web }', 'address: expected an IP address, found web'],
    ['check: { tcp: true, flapping: { changes: 1 } }', 'changes: expected a whole number from 2 to 1000, found 1'],
    ['check: { tcp: true, warm-up: 5 }', 'warm-up: expected a duration such as 10s, found 5 without a unit'],
  ])('%s', (inside, said) => {
    expect(read(service(inside)).said).toContainEqual(expect.stringContaining(said))
  })

  test('a server whose own check is the only one is enough for slow-start', () => {
    expect(read(service('slow-start: 1s').replace('check: none', 'check: tcp')).said).toEqual([])
  })
})
