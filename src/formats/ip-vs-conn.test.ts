import { describe, expect, test } from 'vitest'
import { parseConnection } from './ip-vs-conn.ts'

const end = (address: string, port: number) => ({ address, port })

describe('lines of ip_vs_conn', () => {
  test.each([
    {
      name: 'a TCP connection',
      line: 'TCP 0A010002 9C42 0A320001 0050 0A090002 1F90 ESTABLISHED     899',
      found: {
        protocol: 'tcp', client: end('10.1.0.2', 40_002), service: end('10.50.0.1', 80), server: end('10.9.0.2', 8080),
        state: 'ESTABLISHED', expiresSeconds: 899,
      },
    },
    {
      name: 'a template with what its persistence engine knows',
      line: 'UDP 0A010002 0000 0A320001 13C4 0A090002 13C4 ASSURED          55 sip abc123@host',
      found: {
        protocol: 'udp', client: end('10.1.0.2', 0), service: end('10.50.0.1', 5060), server: end('10.9.0.2', 5060),
        state: 'ASSURED', expiresSeconds: 55, persistenceData: { engine: 'sip', data: 'abc123@host' },
      },
    },
    {
      name: 'IPv6',
      line: 'TCP fd01:0000:0000:0000:0000:0000:0000:0002 9C42 fd50:0000:0000:0000:0000:0000:0000:0001 0050 fd09:0000:0000:0000:0000:0000:0000:0002 0050 SYN_RECV         59',
      found: {
        protocol: 'tcp', client: end('fd01::2', 40_002), service: end('fd50::1', 80), server: end('fd09::2', 80),
        state: 'SYN_RECV', expiresSeconds: 59,
      },
    },
    {
      name: 'a template of a firewall mark',
      line: 'IP  CB007100 0000 00000005 0000 0A090002 0000 NONE            100',
      found: {
        protocol: 'ip', client: end('203.0.113.0', 0), service: end('0.0.0.5', 0), server: end('10.9.0.2', 0),
        state: 'NONE', expiresSeconds: 100,
      },
    },
    {
      name: 'the header',
      line: 'Pro FromIP   FPrt ToIP     TPrt DestIP   DPrt State       Expires PEName PEData',
      found: undefined,
    },
    { name: 'a line that is cut off', line: 'TCP 0A010002 9C42 0A320001 0050 0A090002 1F90 ESTAB', found: undefined },
    { name: 'nothing', line: '', found: undefined },
  ])('$name', ({ line, found }) => {
    expect(parseConnection(line)).toEqual(found)
  }) // biome-ignore format: connections to read at a glance
})
