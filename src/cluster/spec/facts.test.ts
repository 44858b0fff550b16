import { describe, expect, test } from 'vitest'
import { formatDiagnostic } from './diagnostic.ts'
import { checkAgainstHost, type HostCapacity } from './facts.ts'
import { parseSpec } from './parse.ts'

const gibibyte = 1024 ** 3

function check(
  guests: string,
  facts: Readonly<Record<string, HostCapacity>>,
  hosts = '{ hv1: {}, toy: { hypervisor: fake } }',
): string[] {
  const text = `name: a\nhosts: ${hosts}\nguests:\n${guests}\n`
  const { spec, places, diagnostics } = parseSpec({ file: 'f', text, environment: {}, readInclude: () => undefined })
  if (spec === undefined) throw new Error(diagnostics.map(formatDiagnostic).join('\n'))
  return checkAgainstHost(spec, places, facts).map(formatDiagnostic)
}

describe('the hosts against the spec', () => {
  test.each([
    [
      'guests that fit are fine',
      '  a: { image: tiny, memory: 1G, count: 3, host: hv1 }\n  b: { image: tiny, memory: 1G, host: hv1 }',
      [],
    ],
    [
      'a guest that is bigger than its host',
      '  a: { image: tiny, memory: 5G, host: hv1 }',
      ['f:4:29: one guest of a needs 5G of memory, more than its host has (the host hv1 has 4G)'],
    ],
    [
      'every guest that is bigger is named',
      '  a: { image: tiny, memory: 5G, host: hv1 }\n  b: { image: tiny, memory: 6G, host: hv1 }',
      [
        'f:4:29: one guest of a needs 5G of memory, more than its host has (the host hv1 has 4G)',
        'f:5:29: one guest of b needs 6G of memory, more than its host has (the host hv1 has 4G)',
      ],
    ],
    [
      'guests that do not fit together',
      '  a: { image: tiny, memory: 1G, count: 3, host: hv1 }\n  b: { image: tiny, memory: 1536M, host: hv1 }',
      ['f:5:29: the guests on hv1 need 4.5G of memory together, more than it has (the host hv1 has 4G)'],
    ],
    [
      'the default is nowhere in the file: the pool is',
      '  a: { image: tiny, count: 17, host: hv1 }',
      ['f:4:3: the guests on hv1 need 4.3G of memory together, more than it has (the host hv1 has 4G)'],
    ],
    ['guests that are not wanted need nothing', '  a: { image: tiny, memory: 5G, count: 0, host: hv1 }', []],
    ['fake guests need nothing', '  a: { image: tiny, memory: 5G, host: toy }', []],
    [
      'more processors than the host has',
      '  a: { image: tiny, vcpus: 3, host: hv1 }',
      [
        'f:4:28: warning: a guest of a has 3 virtual processors, the host hv1 only 2 real ones (it runs, but not faster than with fewer)',
      ],
    ],
  ])('%s', (_, guests, expected) => {
    const capacity = { memoryBytes: 4 * gibibyte, cpus: 2 }
    expect(check(guests, { hv1: capacity, toy: { memoryBytes: 1, cpus: 1 } })).toEqual(expected)
  })

  test('a host that could not be asked is passed over', () => {
    expect(check('  a: { image: tiny, memory: 5G, host: hv1 }', {})).toEqual([])
  })
})
