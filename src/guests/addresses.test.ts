import { describe, expect, test } from 'vitest'
import { heardFrom, knownAddresses, leasesIn, neighboursIn, networkLeasesIn } from './addresses.ts'

const mac = '52:54:00:aa:bb:cc'
const table = `10.0.0.5 dev br0 lladdr ${mac} ref 1 used 12/30/40 probes 1 STALE
10.0.0.9 dev br0 lladdr ${mac} used 2/90/1 probes 0 STALE
10.0.0.7 dev br0  used 2/1/1 probes 3 FAILED
10.0.0.8 dev br0 lladdr ${mac} used 2/1/1 probes 3 FAILED
10.0.0.6 dev br0 lladdr 52:54:00:00:00:01 ref 1 used 1/1/1 probes 1 REACHABLE
10.0.0.4 dev br1 lladdr ${mac} used 0/0/0 probes 1 REACHABLE
fe80::1 dev br0 lladdr ${mac} used 0/0/0 probes 1 router STALE
`

describe('addresses of guests', () => {
  test('the one that was heard last comes first, and what failed is none', () => {
    expect(heardFrom(neighboursIn(table), 'br0', mac)).toEqual(['10.0.0.9', '10.0.0.5'])
    expect(heardFrom(neighboursIn(table), 'br1', mac)).toEqual(['10.0.0.4'])
    expect(neighboursIn('')).toEqual([])
  })

  test('a lease counts until its end', () => {
    const text = `2000 ${mac} 10.0.0.5 web *\n0 ${mac} 10.0.0.6 web *\n900 ${mac} 10.0.0.7 web *\nduid 00:01\n2000 52:54:00:00:00:01 10.0.0.8 x *\n`
    expect(leasesIn(text, mac, 1000)).toEqual(['10.0.0.5', '10.0.0.6'])
  })

  test('libvirt’s leases are read, also while they are written', () => {
    const lease = { 'ip-address': '192.168.122.6', 'mac-address': mac.toUpperCase(), 'expiry-time': 2000 }
    const text = JSON.stringify([lease, { ...lease, 'ip-address': '192.168.122.7', 'expiry-time': 900 }])
    expect(networkLeasesIn(text, mac, 1000)).toEqual(['192.168.122.6'])
    expect(networkLeasesIn(text.slice(0, 20), mac, 1000)).toEqual([])
    expect(networkLeasesIn('', mac, 1000)).toEqual([])
  })

  test('each is told once, and none of the guest’s own', () => {
    expect(knownAddresses(['127.0.0.1', '10.0.0.5', 'fe80::1', '10.0.0.5', '10.0.0.6'])).toEqual({
      address: '10.0.0.5',
      addresses: ['10.0.0.5', '10.0.0.6'],
    })
    expect(knownAddresses([])).toEqual({})
  })
})
