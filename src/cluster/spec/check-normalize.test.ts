import { describe, expect, test } from 'vitest'
import type { ProbeSpec } from '../../health/check.ts'
import { parseSpec } from './parse.ts'

function probeOf(check: string, at = 'address: 10.0.0.1:80'): ProbeSpec | undefined {
  const text = `name: shop\nservices:\n  www: { ${at}, servers: [], fallback: 10.0.0.2:80, check: ${check} }\n`
  const { spec, diagnostics } = parseSpec({ file: 'baton.yaml', text, environment: {}, readInclude: () => undefined })
  expect(diagnostics).toEqual([])
  return spec?.services['www']?.checks[0]?.probe
}

describe('a check in the file', () => {
  test.each<{ check: string; at?: string; probe: ProbeSpec }>([
    { check: 'tcp', probe: { kind: 'tcp' } },
    { check: '{ udp: true }', probe: { kind: 'udp' } },
    { check: '{ udp: { send: "pä" } }', probe: { kind: 'udp', sendHex: '70c3a4' } },
    {
      check: '{ udp: { send-hex: 0A1B, expect-hex: 0Fxx } }',
      probe: { kind: 'udp', sendHex: '0a1b', expect: { hex: '0fxx' } },
    },
    { check: '{ ping: { bytes: 8 } }', probe: { kind: 'ping', bytes: 8 } },
    {
      check: '{ http: /, method: POST, send: x, headers: { A: b }, redirects: 2, tls: true }',
      probe: {
        kind: 'http',
        path: '/',
        method: 'POST',
        send: 'x',
        headers: { A: 'b' },
        redirects: 2,
        status: [200],
        tls: { verify: false },
      },
    },
    {
      check: '{ http-proxy: "https://www.shop/", tls: { verify: true } }',
      probe: { kind: 'http-proxy', url: 'https://www.shop/', status: [200], tls: { verify: true } },
    },
    { check: '{ dns: { name: www.shop } }', probe: { kind: 'dns', name: 'www.shop', type: 'A', transport: 'udp' } },
    { check: '{ certificate: true }', probe: { kind: 'tls', minimumDays: 0, verify: false } },
    { check: '{ grpc: { service: a, tls: true } }', probe: { kind: 'grpc', service: 'a', tls: { verify: false } } },
    { check: '{ agent: true, port: 99 }', probe: { kind: 'agent' } },
    {
      check: '{ external: { command: [/bin/x, "1"] } }',
      probe: { kind: 'external', command: { argv: ['/bin/x', '1'] }, service: { address: '10.0.0.1', port: 80 } },
    },
    {
      check: '{ external: { command: x -a, positional: true, exit-is-weight: true } }',
      at: 'mark: 5',
      probe: {
        kind: 'external',
        command: { shell: 'x -a' },
        positional: true,
        service: { address: '5', port: 0 },
        exitIsWeight: true,
      },
    },
  ])('$check', ({ check, at, probe }) => expect(probeOf(check, at)).toEqual(probe))

  test('a UDP service is not warned of checks that are not made over TCP', () => {
    const udp = 'address: 10.0.0.1:53, protocol: udp'
    for (const check of ['{ udp: true }', '{ ping: true }', '{ dns: { name: a } }']) probeOf(check, udp)
  })
})
