import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { type EbpfTuning, isTuned, limitNames, limitRanges, limitsOf, parseLimit, tuningArguments } from './tuning.ts'

const limits = fc.record(
  Object.fromEntries(
    limitNames.map((name) => [name, fc.integer({ min: limitRanges[name][0], max: limitRanges[name][1] })] as const),
  ),
  { requiredKeys: [] },
)

describe('what the engine is told when it begins', () => {
  test('limits read back as they are written for the command', () => {
    fc.assert(
      fc.property(limits, (limits) => {
        const [, ...words] = tuningArguments({ limits })
        const read = words.map(parseLimit).map((one) => ('wrong' in one ? [] : [one.name, one.most]))
        expect(Object.fromEntries(read)).toEqual(limits)
      }),
    )
    expect(tuningArguments({ interfaces: ['eth0', 'lo'], xdp: 'auto' })).toEqual([
      '--interface',
      'eth0',
      'lo',
      '--xdp',
      'auto',
    ])
    expect(tuningArguments()).toEqual([])
  })

  test.each([
    { text: 'connections', wrong: 'expected NAME=NUMBER' },
    { text: 'connections=many', wrong: 'expected NAME=NUMBER' },
    { text: 'conections=5000', wrong: 'there is no limit conections: expected one of connections half-open' },
    { text: 'connections=15', wrong: 'limit connections is from 16 to 100000000, not 15' },
  ])('$text is refused', ({ text, wrong }) => {
    expect(parseLimit(text)).toEqual({ wrong: expect.stringContaining(wrong) as string })
  })

  test('half-open connections are an eighth of all, unless it is said', () => {
    expect(limitsOf({ connections: 80 })['half-open']).toBe(10)
    expect(limitsOf({ connections: 80, 'half-open': 3 })['half-open']).toBe(3)
  })

  test.each<{ name: string; standing?: EbpfTuning; wanted?: EbpfTuning; is: boolean }>([
    { name: 'nothing is wanted', standing: { xdp: 'auto' }, is: true },
    { name: 'what is wanted is the default', wanted: { xdp: 'off', limits: { connections: 1_000_000 } }, is: true },
    {
      name: 'another limit',
      standing: { limits: { connections: 64 } },
      wanted: { limits: { connections: 65 } },
      is: false,
    },
    {
      name: 'the share of half-open follows',
      standing: { limits: { connections: 80 } },
      wanted: { limits: { 'half-open': 10 } },
      is: true,
    },
    {
      name: 'the same interfaces',
      standing: { interfaces: ['lo', 'eth0'] },
      wanted: { interfaces: ['eth0', 'lo'] },
      is: true,
    },
    { name: 'fewer interfaces', standing: { interfaces: ['lo', 'eth0'] }, wanted: { interfaces: ['lo'] }, is: false },
    { name: 'interfaces that were not named', wanted: { interfaces: ['lo'] }, is: false },
    { name: 'another way of XDP', standing: { xdp: 'auto' }, wanted: { xdp: 'native' }, is: false },
  ])('$name', ({ standing, wanted, is }) => {
    expect(isTuned(standing, wanted)).toBe(is)
  })
})
