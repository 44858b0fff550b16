import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { addressText } from './address.ts'
import { clientNetwork } from './persistence.ts'

describe('the network of a client', () => {
  test.each([
    ['10.1.2.3', '255.255.255.255', '10.1.2.3'],
    ['10.1.2.3', '255.255.255.0', '10.1.2.0'],
    ['10.1.2.3', '0.0.0.24', '0.0.0.0'],
    ['10.1.2.29', '0.0.0.24', '0.0.0.24'],
    ['255.255.255.255', '0.0.0.0', '0.0.0.0'],
    ['fd01:2:3:4:5:6:7:8', '128', 'fd01:2:3:4:5:6:7:8'],
    ['fd01:2:3:4:5:6:7:8', '64', 'fd01:2:3:4::'],
    ['fd01:2:3:4:5:6:7:8', '33', 'fd01:2::'],
    ['ffff::', '1', '8000::'],
  ])('%s with %s is %s', (address, mask, network) => {
    expect(clientNetwork(address, { mask })).toBe(network)
  })

  test('of a network is itself', () => {
    const ipv4 = fc.bigInt(0n, 2n ** 32n - 1n).map((number) => addressText(number, 'ipv4'))
    const ipv6 = fc.bigInt(0n, 2n ** 128n - 1n).map((number) => addressText(number, 'ipv6'))
    const way = fc.oneof(fc.tuple(ipv4, ipv4), fc.tuple(ipv6, fc.integer({ min: 1, max: 128 }).map(String)))
    fc.assert(
      fc.property(way, ([address, mask]) => {
        const network = clientNetwork(address, { mask })
        expect(clientNetwork(network, { mask })).toBe(network)
      }),
    )
  })
})
