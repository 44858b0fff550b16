import { describe, expect, test } from 'vitest'
import { networkXml, readNetwork } from './networks.ts'
import { overlaps, parseSubnet, placeIn } from './subnet.ts'

describe('a network of libvirt', () => {
  test.each([
    { place: { kind: 'bridge', bridge: 'br0' } as const, read: { kind: 'bridge', bridge: 'br0' } },
    {
      place: { kind: 'nat', address: '10.9.0.1/24', leases: { from: '10.9.0.2', to: '10.9.0.9' } } as const,
      read: { kind: 'nat', address: '10.9.0.1/24' },
    },
    {
      place: { kind: 'isolated', address: '10.9.0.1/16' } as const,
      read: { kind: 'isolated', address: '10.9.0.1/16' },
    },
  ])('$place.kind is read as it was written', ({ place, read }) => {
    expect(readNetwork(networkXml('lan', place))).toEqual({ name: 'lan', ...read })
  })

  test('that libvirt itself ships is read with its netmask', () => {
    const xml = `<network><name>default</name><forward/><bridge name='virbr0'/>
      <ip address='192.168.122.1' netmask='255.255.255.0'/></network>`
    expect(readNetwork(xml)).toEqual({ name: 'default', kind: 'nat', bridge: 'virbr0', address: '192.168.122.1/24' })
  })
})

describe('a subnet', () => {
  test.each([
    { a: '10.0.0.1/24', b: '10.0.0.200/25', is: true },
    { a: '10.0.0.1/25', b: '10.0.0.200/25', is: false },
    { a: '10.0.0.0/8', b: '10.200.0.1/24', is: true },
    { a: '255.255.255.1/24', b: '0.0.0.1/24', is: false },
  ])('$a and $b have addresses in common: $is', ({ a, b, is }) => {
    const [one, other] = [parseSubnet(a), parseSubnet(b)]
    expect(one && other && overlaps(one, other)).toBe(is)
    expect(one && other && overlaps(other, one)).toBe(is)
  })

  test('has places for hosts, but for its own address and its broadcast', () => {
    const subnet = parseSubnet('10.0.0.7/29') ?? { first: 0, prefix: 0 }
    expect(
      ['10.0.0.0', '10.0.0.1', '10.0.0.6', '10.0.0.7', '10.0.1.1', '10..0.1', 'x'].map((text) => placeIn(subnet, text)),
    ).toEqual([undefined, 1, 6, undefined, undefined, undefined, undefined])
    expect(['10.0.0.1', '10.0.0.1/33', 'fd00::1/64', '10.0.0/8'].map(parseSubnet)).toEqual([
      undefined,
      undefined,
      undefined,
      undefined,
    ])
  })
})
