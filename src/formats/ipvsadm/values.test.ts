import { describe, expect, test } from 'vitest'
import { inetAton, leadingNumber, type Names, wholeNumber, writtenEndpoint } from './values.ts'

const names: Names = {
  host: (name) => (name === 'vip' ? '10.0.0.77' : undefined),
  port: (name, protocol) => (name === 'http' && protocol === 'tcp' ? 80 : undefined),
}

describe('a whole number', () => {
  test.each([
    ['0', 0],
    ['7', 7],
    ['007', 7],
    [' 7', 7],
    ['\t+7', 7],
    ['-0', 0],
    ['100', 100],
    ['-1', undefined],
    ['101', undefined],
    ['', undefined],
    [' ', undefined],
    ['7 ', undefined],
    ['0x7', undefined],
    ['7a', undefined],
    ['+', undefined],
    ['99999999999999999999', undefined],
  ] as const)('%j of 0 to 100 is %j', (text, is) => {
    // biome-ignore format: a list to read at a glance
    expect(wholeNumber(text, 0, 100)).toBe(is)
  })

  test.each([
    ['64', 64],
    ['64x', 64],
    [' 64', 64],
    ['-1', -1],
    ['x', 0],
    ['', 0],
  ] as const)('%j begins with %j', (text, is) => {
    expect(leadingNumber(text)).toBe(is)
  })
})

describe('an IPv4 address as inet_aton reads it', () => {
  test.each([
    ['10.0.0.1', '10.0.0.1'],
    ['10.1', '10.0.0.1'],
    ['10.0.300', '10.0.1.44'],
    ['0x0a000001', '10.0.0.1'],
    ['012.0.0.1', '10.0.0.1'],
    ['10.0x10.1', '10.16.0.1'],
    ['24', '0.0.0.24'],
    ['4294967295', '255.255.255.255'],
    ['0', '0.0.0.0'],
    ['10.0.0.1 foo', '10.0.0.1'],
    ['10.0.0.1 ', '10.0.0.1'],
    ['4294967296', undefined],
    ['10.0.0.256', undefined],
    ['10.0.0.08', undefined],
    ['1.2.3.4.5', undefined],
    ['10.0.0.1.', undefined],
    ['.', undefined],
    ['', undefined],
    [' 10.0.0.1', undefined],
    ['0x', undefined],
    ['vip', undefined],
    ['256.1', undefined],
    ['10.16777216', undefined],
    ['10.0.65536', undefined],
  ] as const)('%j is %j', (text, is) => {
    // biome-ignore format: a list to read at a glance
    expect(inetAton(text)).toBe(is)
  })
})

describe('a host with its port', () => {
  test.each([
    ['10.0.0.1:80', '10.0.0.1', 80],
    ['10.0.0.1', '10.0.0.1', undefined],
    ['10.0.0.1:http', '10.0.0.1', 80],
    ['10.0.0.1: +80', '10.0.0.1', 80],
    ['vip:80', '10.0.0.77', 80],
    ['vip', '10.0.0.77', undefined],
    ['fd00::1', 'fd00::1', undefined],
    ['fd00::1:80', 'fd00::1:80', undefined],
    ['[fd00::1]:80', 'fd00::1', 80],
    ['[FD00:0::1]:http', 'fd00::1', 80],
    ['::ffff:10.0.0.1', '::ffff:10.0.0.1', undefined],
    ['[10.0.0.1]:84', '10.0.0.1', undefined],
    ['[10.0.0.1:80]:84', '10.0.0.1', 80],
    ['[vip]:84', '10.0.0.77', undefined],
  ] as const)('%j is %s port %j', (text, address, port) => {
    // biome-ignore format: a list to read at a glance
    const family = address.includes(':') ? 'ipv6' : 'ipv4'
    expect(writtenEndpoint(text, 'tcp', names)).toEqual({ family, address, ...(port === undefined ? {} : { port }) })
  })

  test.each([
    '',
    '80',
    ':80',
    '10.0.0.1:',
    '10.0.0.1:65536',
    '10.0.0.1:-1',
    '10.0.0.1:foo',
    '10.0.0.1:80:81',
    '[fd00::1]',
    '[fd00::1',
    '[fd00::1]80',
    '[fd00::1]:',
    '[]:80',
    'nobody:80',
    '[fe80::1%lo]:80',
    ':::80',
    '10.0.0.1:80 ',
  ])('%j is none', (text) => {
    // biome-ignore format: a list to read at a glance
    expect(writtenEndpoint(text, 'tcp', names)).toBeUndefined()
  })

  test('the name of a port is one of its protocol', () => {
    expect(writtenEndpoint('10.0.0.1:http', 'udp', names)).toBeUndefined()
    expect(writtenEndpoint('10.0.0.1:http', undefined, names)).toBeUndefined()
  })
})
