import { describe, expect, test } from 'vitest'
import { ipv4Routes, ipv6Routes } from './interfaces.ts'

describe('routes as /proc has them', () => {
  test('IPv4: with their networks', () => {
    const rows = [
      'Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\tWindow\tIRTT',
      'eth0\t00000000\t0102A8C0\t0003\t0\t0\t100\t00000000\t0\t0\t0',
      'eth1\t0002000A\t00000000\t0001\t0\t0\t0\t00FEFFFF\t0\t0\t0',
      '',
    ]
    expect(ipv4Routes(rows)).toEqual([
      { name: 'eth0', network: { address: '0.0.0.0', prefix: 0 } },
      { name: 'eth1', network: { address: '10.0.2.0', prefix: 23 } },
    ])
  })

  test('IPv6: with their networks', () => {
    const rows = [
      '20010db8000000000000000000000000 40 00000000000000000000000000000000 00 00000000000000000000000000000000 00000100 00000001 00000000 00000001     eth0',
      '00000000000000000000000000000000 00 00000000000000000000000000000000 00 fe800000000000000000000000000001 00000400 00000001 00000000 00000003     eth1',
      '',
    ]
    expect(ipv6Routes(rows)).toEqual([
      { name: 'eth0', network: { address: '2001:db8::', prefix: 64 } },
      { name: 'eth1', network: { address: '::', prefix: 0 } },
    ])
  })
})
