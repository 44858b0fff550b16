/** Builders of virtual routers: defaults, and what a test means. */
import { defaultAnnouncing, type RouterConfig } from '../../src/vrrp/machine/config.ts'

export function router(changes: Partial<RouterConfig> = {}): RouterConfig {
  return {
    name: 'edge',
    id: 51,
    version: 3,
    family: 'ipv4',
    priority: 100,
    intervalMs: 1000,
    addresses: ['10.0.0.100'],
    preempts: true,
    preemptDelayMs: 0,
    downAdverts: 3,
    answersLower: true,
    announcing: defaultAnnouncing,
    checksum: 'rfc5798',
    checksAddresses: true,
    paths: [{ interface: 'eth0', to: { kind: 'multicast', group: '224.0.0.18' } }],
    isGrouped: false,
    ...changes,
  }
}
