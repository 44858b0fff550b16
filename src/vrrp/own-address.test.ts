import { describe, expect, test } from 'vitest'
import type { InterfaceAddress } from '../wire/rtnetlink.ts'
import type { HeartbeatPath } from './machine/config.ts'
import { ownAddress } from './own-address.ts'

const at = (address: string, isTentative = false): InterfaceAddress => ({
  interface: 2,
  address,
  prefix: 64,
  isTentative,
  mark: 0,
})
const multicast: HeartbeatPath = { interface: 'eth0', to: { kind: 'multicast', group: '224.0.0.18' } }
const peers = (...all: string[]): HeartbeatPath => ({ interface: 'eth0', to: { kind: 'unicast', peers: all } })

describe('where a router speaks from', () => {
  test.each([
    { name: 'the first of the family', path: multicast, family: 'ipv4' as const, has: [at('fe80::1'), at('10.0.0.1'), at('10.0.0.2')], own: '10.0.0.1' },
    { name: 'no virtual one', path: multicast, family: 'ipv4' as const, has: [at('10.0.0.100'), at('10.0.0.1')], own: '10.0.0.1' },
    { name: 'over IPv6 a link-local one', path: multicast, family: 'ipv6' as const, has: [at('fd00::1'), at('fe80::1')], own: 'fe80::1' },
    { name: 'none that may be another’s', path: multicast, family: 'ipv6' as const, has: [at('fe80::1', true)], own: undefined },
    { name: 'among peers of a wider scope one like theirs', path: peers('fd00::2'), family: 'ipv6' as const, has: [at('fe80::1'), at('fd00::1')], own: 'fd00::1' },
    { name: 'the one that is written', path: { interface: 'eth0', to: { kind: 'unicast' as const, peers: ['10.0.0.9'], source: '10.0.0.7' } }, family: 'ipv4' as const, has: [at('10.0.0.1')], own: '10.0.0.7' },
  ])('$name', ({ path, family, has, own }) => {
    expect(ownAddress(path, family, has, (address) => address === '10.0.0.100')).toBe(own)
  }) // biome-ignore format: a table
})
