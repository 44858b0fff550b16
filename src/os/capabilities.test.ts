import { describe, expect, test } from 'vitest'
import { type Capability, capabilitiesNotIn } from './capabilities.ts'

const needed: readonly Capability[] = ['CAP_BPF', 'CAP_NET_ADMIN', 'CAP_PERFMON']

describe('capabilities', () => {
  test.each<{ name: string; effective: string; missing: Capability[] }>([
    { name: 'root has all of them', effective: '000001ffffffffff', missing: [] },
    { name: 'just these are enough', effective: '000000c000001000', missing: [] },
    { name: 'CAP_SYS_ADMIN stands for two', effective: '0000000000201000', missing: [] },
    { name: 'root in a container lacks some', effective: '00000000a80425fb', missing: [...needed] },
    { name: 'one may be missing', effective: '000000c000000000', missing: ['CAP_NET_ADMIN'] },
    { name: 'a user has none', effective: '0000000000000000', missing: [...needed] },
  ])('$name', ({ effective, missing }) => {
    expect(capabilitiesNotIn(`Name:\tnode\nCapPrm:\t000001ffffffffff\nCapEff:\t${effective}\n`, needed)).toEqual(
      missing,
    )
  })

  test('a text without them names all', () => {
    expect(capabilitiesNotIn('Name:\tnode\n', needed)).toEqual(needed)
  })
})
