/** What the eBPF engine can carry today; all else it refuses before anything is changed. */
import type { EngineCapabilities } from '../engine.ts'

export const ebpfCapabilities: EngineCapabilities = {
  protocols: ['tcp', 'udp'],
  schedulers: ['rr', 'wrr', 'lc', 'wlc', 'dh', 'sh', 'sed', 'nq', 'fo', 'ovf', 'mh', 'lblc', 'lblcr', 'twos'],
  forwarding: ['masq', 'tunnel', 'direct', 'local'],
  tunnels: ['ipip', 'gre', 'gue'],
  // Offload cuts large packets afterwards: the pieces would need checksums of their own.
  tunnelChecksums: false,
  fwmark: true,
  persistence: true,
  // Its SIP messages are read by programs, not by packet filters.
  persistenceEngines: [],
  anyPort: true,
  onePacket: true,
  thresholds: true,
  proxyProtocol: false,
  idleTimeout: false,
  mixedFamilies: 'tunnel',
  applications: [],
  dns: false,
  syncDaemon: false,
  syncSeals: false,
  porting: { exports: 'all', changes: 'all', imports: 'all' },
  sysctls: [
    'am_droprate', 'amemthresh', 'conn_reuse_mode', 'drop_entry', 'drop_packet', 'expire_nodest_conn',
    'expire_quiescent_template', 'lblc_expiration', 'lblcr_expiration', 'pmtu_disc', 'schedule_icmp', 'secure_tcp',
    'sloppy_tcp',
  ], // biome-ignore format: a list to read at a glance
}
