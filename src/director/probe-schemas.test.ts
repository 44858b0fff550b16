import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { randomCheck } from '../cluster/spec/random-check.ts'
import { isAvailableProbe } from '../health/checks/registry.ts'
import { probeSchema } from './probe-schemas.ts'

describe('probes on their way to the director', () => {
  const ids = [
    { kind: 'address', protocol: 'tcp', address: '10.0.0.1', port: 80 },
    { kind: 'fwmark', mark: 5, family: 'ipv4' },
    { kind: 'pool', name: 'a' },
  ] as const

  test('whatever a file can say arrives as it is, and can be run', () => {
    const probe = fc.constantFrom(...ids).chain((id) => randomCheck(id).map((check) => check.probe))
    fc.assert(
      fc.property(probe, (probe) => {
        expect(probeSchema.parse(JSON.parse(JSON.stringify(probe)))).toEqual(probe)
        expect(isAvailableProbe(probe.kind)).toBe(true)
      }),
      { numRuns: 300 },
    )
  })

  test.each([
    { name: 'an unknown kind', probe: { kind: 'gopher' } },
    { name: 'code of somebody', probe: { kind: 'script', file: 'x.mjs' } },
    { name: 'a URL that is none of HTTP', probe: { kind: 'http-proxy', url: 'ftp://a/', status: [200] } },
    { name: 'no command', probe: { kind: 'external', command: { argv: [] } } },
    { name: 'what no kind has', probe: { kind: 'tcp', path: '/' } },
    { name: 'half a byte', probe: { kind: 'udp', sendHex: 'abc' } },
  ])('$name is refused', ({ probe }) => expect(probeSchema.safeParse(probe).success).toBe(false))
})
