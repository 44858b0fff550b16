import { describe, expect, test } from 'vitest'
import { commonNames } from '../formats/iproute/names.ts'
import { readRoute } from '../formats/iproute/read-route.ts'
import { readRule } from '../formats/iproute/read-rule.ts'
import { decodeAttributes } from './netlink.ts'
import { encodeRoute } from './routes.ts'
import { encodeRule } from './rules.ts'

const index = (name: string): number | undefined => (name === 'eth0' ? 7 : undefined)
const hex = (bytes: Uint8Array | undefined): string => Buffer.from(bytes ?? []).toString('hex')

function route(text: string): Uint8Array | undefined {
  const read = readRoute(text.split(' '), commonNames)
  return read.kind === 'read' ? encodeRoute(read.value, index) : undefined
}

describe('routes and rules on the wire', () => {
  test('a route has its header and attributes where rtnetlink wants them', () => {
    const bytes = route(
      'src 10.0.0.9 10.1.0.0/16 via 10.0.0.1 dev eth0 table 1000 tos 8 scope site metric 5 mtu lock 1400',
    )
    // family 2, /16, /0, tos 8, table in an attribute, keepalived's protocol, scope 200, unicast, no flags
    expect(hex(bytes?.subarray(0, 12))).toBe('021000080012c80100000000')
    const found = decodeAttributes(bytes ?? new Uint8Array(), 12)
    expect([1, 4, 5, 6, 7, 15].map((type) => hex(found.get(type)))).toEqual([
      '0a010000', '07000000', '0a000001', '05000000', '0a000009', 'e8030000',
    ]) // biome-ignore format: one each
    const metrics = decodeAttributes(found.get(8) ?? new Uint8Array())
    expect([1, 2].map((type) => hex(metrics.get(type)))).toEqual(['04000000', '78050000'])
  })

  test('several next hops are one after the other, each with its length', () => {
    const found = decodeAttributes(
      route('default nexthop via 10.0.0.1 weight 2 nexthop dev eth0 onlink') ?? new Uint8Array(),
      12,
    )
    expect(hex(found.get(9))).toBe('1000000100000000080005000a0000010800040007000000')
    expect(found.has(1)).toBe(false)
  })

  test('there is none through an interface that is not there', () => {
    expect(route('10.1.0.0/16 dev eth9')).toBeUndefined()
    expect(route('10.1.0.0/16 nexthop via 10.0.0.1 dev eth9')).toBeUndefined()
  })

  test('a rule has its header and attributes where the kernel wants them', () => {
    const text = 'not from 10.1.0.0/16 iif eth0 fwmark 0x5/0x7 ipproto udp dport 53 table 300 preference 7'
    const read = readRule(text.split(' '), commonNames, { preference: 0 })
    const bytes = read.kind === 'read' ? encodeRule(read.value) : new Uint8Array()
    expect(hex(bytes.subarray(0, 12))).toBe('020010000000000102000000')
    const found = decodeAttributes(bytes, 12)
    expect([2, 3, 6, 10, 15, 16, 21, 22, 24].map((type) => hex(found.get(type)))).toEqual([
      '0a010000', '6574683000', '07000000', '05000000', '2c010000', '07000000', '12', '11', '35003500',
    ]) // biome-ignore format: one each
  })
})
