import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { formatDiagnostic } from './diagnostic.ts'
import { type ParsedSpec, parseSpec } from './parse.ts'
import { printSpec } from './print.ts'
import { randomSpec } from './random-spec.ts'

function parse(text: string): ParsedSpec {
  return parseSpec({
    file: 'baton.yaml',
    text,
    environment: { X: 'wrong' },
    directory: '/d',
    readInclude: () => undefined,
  })
}

describe('printing a spec', () => {
  test('what is printed means the same', () => {
    fc.assert(
      fc.property(randomSpec, (spec) => {
        const printed = printSpec(spec)
        const { spec: parsed, diagnostics } = parse(printed)
        const errors = diagnostics.filter(({ severity }) => severity === 'error').map(formatDiagnostic)
        expect(errors, printed).toEqual([])
        expect(parsed, printed).toEqual(spec)
        // The order of names means something: the first host is the default.
        expect(JSON.stringify(Object.keys(parsed?.hosts ?? {}))).toBe(JSON.stringify(Object.keys(spec.hosts)))
        if (parsed !== undefined) expect(printSpec(parsed)).toBe(printed)
      }),
      { numRuns: 100 },
    )
  }, 60_000)

  test('a host over SSH keeps its way', () => {
    const text = 'name: shop\nhosts:\n  hv1:\n    ssh: admin@hv1:2222\n    sudo: true\n'
    expect(parse(text).spec?.hosts['hv1']).toEqual({
      name: 'hv1',
      ssh: 'admin@hv1:2222',
      sudo: true,
      hypervisor: 'qemu',
    })
    expect(printSpec(parse(text).spec ?? expect.fail('it has no errors'))).toContain(text)
  })

  test('a Xen host keeps what becomes of its guests when it halts', () => {
    const text =
      'name: shop\nhosts:\n  hv1:\n    hypervisor: xen\n    xendomains:\n      auto: true\n      migrate: hv2\n'
    expect(parse(text).spec?.hosts['hv1']?.xendomains).toEqual({ auto: true, migrate: 'hv2' })
    expect(printSpec(parse(text).spec ?? expect.fail('it has no errors'))).toContain(text)
  })

  test('a small spec is printed as one would write it', () => {
    const text = [
      'name: hello',
      'images:',
      '  tiny:',
      '    builtin: tiny',
      'guests:',
      '  web:',
      '    count: 3',
      '    image: tiny',
      'services:',
      '  www:',
      '    address: 127.0.0.1:8080',
      '    servers:',
      '      - guests: web',
      '        port: 80',
      '    check:',
      '      http: /',
      '',
    ].join('\n')
    const { spec } = parse(text)
    expect(spec === undefined ? '' : printSpec(spec)).toBe(text)
  })
})
