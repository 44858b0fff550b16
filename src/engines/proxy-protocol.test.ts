import { describe, expect, test } from 'vitest'
import { encodeProxyHeader } from './proxy-protocol.ts'

const client4 = { address: '198.51.100.7', port: 51_000 }
const service4 = { address: '203.0.113.9', port: 443 }
const client6 = { address: '2001:db8::7', port: 51_000 }
const service6 = { address: '2001:db8::9', port: 443 }
const signature = '0d0a0d0a000d0a515549540a'

describe('PROXY protocol headers', () => {
  test.each([
    { name: 'IPv4', from: client4, to: service4, header: 'PROXY TCP4 198.51.100.7 203.0.113.9 51000 443\r\n' },
    { name: 'IPv6', from: client6, to: service6, header: 'PROXY TCP6 2001:db8::7 2001:db8::9 51000 443\r\n' },
    { name: 'ends of two families', from: client4, to: service6, header: 'PROXY UNKNOWN\r\n' },
  ])('version 1 of $name', ({ from, to, header }) => {
    expect(new TextDecoder().decode(encodeProxyHeader('v1', from, to))).toBe(header)
  })

  const address6 = (last: string): string => `20010db8${'0'.repeat(22)}${last}`
  test.each([
    { name: 'IPv4', from: client4, to: service4, rest: '2111000cc6336407cb007109c73801bb' },
    { name: 'IPv6', from: client6, to: service6, rest: `21210024${address6('07')}${address6('09')}c73801bb` },
    { name: 'ends of two families', from: client4, to: service6, rest: '21000000' },
  ])('version 2 of $name', ({ from, to, rest }) => {
    expect(Buffer.from(encodeProxyHeader('v2', from, to)).toString('hex')).toBe(signature + rest)
  })
})
