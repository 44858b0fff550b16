import { isIP, isIPv4, isIPv6 } from 'node:net'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import {
  addressNumber,
  formatCidr,
  isAnyAddress,
  isInNetwork,
  parseAddress,
  parseCidr,
  parseEndpoint,
  parsePort,
} from './address.ts'
import { formatEndpoint } from './service.ts'

describe('addresses', () => {
  test.each([
    ['10.0.0.1', '10.0.0.1'],
    ['0.0.0.0', '0.0.0.0'],
    ['255.255.255.255', '255.255.255.255'],
    ['::', '::'],
    ['::1', '::1'],
    ['1::', '1::'],
    ['FD00::A', 'fd00::a'],
    ['fd00:0000:0000:0000:0000:0000:0000:0001', 'fd00::1'],
    ['2001:db8:0:0:1:0:0:1', '2001:db8::1:0:0:1'],
    ['2001:db8:0:1:1:1:1:1', '2001:db8:0:1:1:1:1:1'],
    ['2001:0:0:1:0:0:0:1', '2001:0:0:1::1'],
    ['1:2:3:4:5:6:7::', '1:2:3:4:5:6:7:0'],
    ['::2:3:4:5:6:7:8', '0:2:3:4:5:6:7:8'],
    ['::ffff:10.0.0.1', '::ffff:10.0.0.1'],
    ['::ffff:a00:1', '::ffff:10.0.0.1'],
    ['64:ff9b::192.0.2.33', '64:ff9b::c000:221'],
  ])('%s is kept as %s', (text, canonical) => {
    expect(parseAddress(text)).toBe(canonical)
  })

  test.each([
    '', '1', '1.2.3', '1.2.3.4.5', '256.0.0.1', '01.2.3.4', '1.2.3.04', '1.2.3.', '.1.2.3', '1.2.3.4 ', ' 1.2.3.4', '-1.2.3.4',
    '1.2.3.0x4', '1e1.2.3.4', ':', ':::', '1::2::3', '1:2:3:4:5:6:7', '1:2:3:4:5:6:7:8:9', '1:2:3:4:5:6:7:8::', '::g', '::12345',
    '1.2.3.4::', '::1.2.3', '::1.2.3.4:5', '::01.2.3.4', 'fe80::1%eth0', '[::1]', '::1/64', ':1:2:3:4:5:6:7', '1:2:3:4:5:6:7:', 'localhost',
  ])('%j is not an address', (text) => {
    expect(parseAddress(text)).toBeUndefined()
  }) // biome-ignore format: a list to read at a glance

  test('what Node takes for an address is one, and the other way round', () => {
    const text = fc.oneof(
      fc.ipV4(),
      fc.ipV6(),
      fc.string({ unit: fc.constantFrom(...'0123456789abcF.:::.'.split('')), maxLength: 24 }),
    )
    fc.assert(
      fc.property(text, (text) => {
        const parsed = parseAddress(text)
        expect(parsed !== undefined).toBe(isIP(text) !== 0)
        if (parsed === undefined) return
        expect(parseAddress(parsed)).toBe(parsed)
        expect(addressNumber(parsed)).toBe(addressNumber(text))
        if (isIPv4(text)) expect(parsed).toBe(text)
        // The URL standard prints IPv6 as RFC 5952 §4 does (but never dotted).
        else if (!parsed.includes('.')) expect(new URL(`http://[${text}]/`).hostname).toBe(`[${parsed}]`)
        expect(isIPv6(parsed)).toBe(isIPv6(text))
      }),
      { numRuns: 2000 },
    )
  })

  test('all-addresses are told apart', () => {
    expect(['0.0.0.0', '::', '::1', '10.0.0.0'].map(isAnyAddress)).toEqual([true, true, false, false])
  })
})

describe('endpoints', () => {
  test.each([
    ['10.0.0.1:80', { address: '10.0.0.1', port: 80 }],
    ['[FD00::1]:65535', { address: 'fd00::1', port: 65_535 }],
    ['[::]:0', { address: '::', port: 0 }],
  ])('%s is read', (text, endpoint) => {
    expect(parseEndpoint(text)).toEqual(endpoint)
  })

  test.each([
    '10.0.0.1',
    '10.0.0.1:',
    ':80',
    '10.0.0.1:65536',
    '10.0.0.1:080',
    '10.0.0.1:+80',
    '10.0.0.1:8 0',
    'fd00::1:80',
    '[10.0.0.1]:80',
    '[fd00::1]',
    '[]:80',
    '[fd00::1]80',
    'host:80',
  ])('%j is not an endpoint', (text) => {
    expect(parseEndpoint(text)).toBeUndefined()
  })

  test('formatting and parsing are inverse', () => {
    const address = fc.oneof(fc.ipV4(), fc.ipV6()).map((text) => parseAddress(text) ?? '')
    fc.assert(
      fc.property(address, fc.nat(65_535), (address, port) => {
        expect(parseEndpoint(formatEndpoint({ address, port }))).toEqual({ address, port })
        expect(parsePort(String(port))).toBe(port)
      }),
    )
  })
})

describe('networks', () => {
  test.each([
    ['10.0.0.5/24', { address: '10.0.0.5', prefix: 24 }],
    ['0.0.0.0/0', { address: '0.0.0.0', prefix: 0 }],
    ['FD00::5/128', { address: 'fd00::5', prefix: 128 }],
  ])('%s is read and written back', (text, cidr) => {
    const parsed = parseCidr(text)
    expect(parsed).toEqual(cidr)
    expect(formatCidr(cidr)).toBe(text.toLowerCase())
  })

  test.each([
    '10.0.0.5',
    '10.0.0.5/',
    '10.0.0.5/33',
    'fd00::/129',
    '10.0.0.5/24/24',
    '10.0.0.5/024',
    '10.0.0.5/-1',
    '/24',
  ])('%j is not a network', (text) => {
    expect(parseCidr(text)).toBeUndefined()
  })

  test.each([
    ['10.0.0.1', '10.0.0.5/24', true],
    ['10.0.1.1', '10.0.0.5/24', false],
    ['10.0.0.129', '10.0.0.5/25', false],
    ['1.2.3.4', '10.0.0.5/0', true],
    ['10.0.0.5', '10.0.0.5/32', true],
    ['fd00::1', 'fd00::ff/64', true],
    ['fd00:0:0:1::1', 'fd00::ff/64', false],
    ['::1', '0.0.0.0/0', false],
  ])('whether %s lies in %s: %s', (address, network, inside) => {
    expect(isInNetwork(address, parseCidr(network) ?? { address: '', prefix: 0 })).toBe(inside)
  })
})
