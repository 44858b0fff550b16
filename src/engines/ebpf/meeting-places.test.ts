import { describe, expect, test } from 'vitest'
import type { Interface } from '../../os/interfaces.ts'
import { hooksOf, meetingPlaces, runsAhead } from './meeting-places.ts'

let index = 0
const own = (name: string, over: Partial<Interface> = {}): Interface => {
  index += 1
  return {
    name,
    index,
    isUp: true,
    kind: 'ethernet',
    portOf: undefined,
    address: new Uint8Array(6),
    bus: undefined,
    ...over,
  }
}
const all = [
  own('lo', { kind: 'loopback' }),
  own('eth0'),
  own('eth1', { isUp: false }),
  own('eth2'),
  own('br0'),
  own('tap0', { portOf: 'bridge' }),
  own('bond0'),
  own('eth3', { portOf: 'bond' }),
  own('eth4', { portOf: 'vrf' }),
  own('eth0.10'),
  own('tun0', { kind: 'other' }),
]
const routed = new Set(all.map(({ name }) => name).filter((name) => name !== 'eth2'))
const names = (...asked: string[]): string[] => meetingPlaces(all, asked, routed).map(({ name }) => name)

describe('where packets are met', () => {
  test('at lo, and at Ethernet interfaces that are up and have a route; at a bridge or bond, not at its ports', () => {
    const met = meetingPlaces(all, undefined, routed).map(({ name }) => name)
    expect(met).toEqual(['lo', 'eth0', 'br0', 'bond0', 'eth4', 'eth0.10'])
  })

  test('at those that are named, whatever their routes are', () => {
    expect(names('eth1', 'eth2')).toEqual(['eth1', 'eth2'])
  })

  test.each([
    ['eth9', 'there is no interface eth9'],
    ['tun0', 'tun0 is no Ethernet interface'],
    ['tap0', 'tap0 is the port of a bridge'],
    ['eth3', 'eth3 is the port of a bond'],
  ])('not at %s: %s', (name, message) => {
    expect(() => names(name)).toThrow(message)
  })

  test.each([
    { name: 'hardware', place: own('eth0', { bus: 'pci' }), auto: true, native: true },
    { name: 'a virtual machine’s', place: own('eth0', { bus: 'virtio' }), auto: false, native: true },
    { name: 'a pair of veth', place: own('veth0'), auto: false, native: true },
    { name: 'lo', place: own('lo', { kind: 'loopback' }), auto: false, native: false },
  ])('ahead of the stack, at $name', ({ place, auto, native }) => {
    expect([runsAhead(place, 'off'), runsAhead(place, 'auto'), runsAhead(place, 'native')]).toEqual([
      false,
      auto,
      native,
    ])
  })

  test('what leaves by lo is met once, as it comes in', () => {
    expect(all.slice(0, 2).map(hooksOf)).toEqual([['in'], ['in', 'out']])
  })
})
