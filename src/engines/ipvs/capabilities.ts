/** What Linux's IPVS carries. */
import { schedulerNames } from '../../lvs/service.ts'
import { sysctlNames } from '../../lvs/settings.ts'
import type { EngineCapabilities } from '../engine.ts'

/** Schedulers are modules: those that this kernel has not are taken out when the engine is opened. */
export const ipvsCapabilities: EngineCapabilities = {
  protocols: ['tcp', 'udp', 'sctp'],
  schedulers: schedulerNames,
  forwarding: ['masq', 'tunnel', 'direct', 'local'],
  tunnels: ['ipip', 'gre', 'gue'],
  tunnelChecksums: true,
  mixedFamilies: 'tunnel',
  fwmark: true,
  persistence: true,
  persistenceEngines: ['sip'],
  anyPort: true,
  onePacket: true,
  thresholds: true,
  proxyProtocol: false,
  idleTimeout: false,
  applications: [],
  dns: false,
  syncDaemon: true,
  syncSeals: false,
  porting: {
    exports: 'all',
    changes: 'none',
    imports: 'none',
    limit: 'the kernel’s own synchronisation daemons tell and take them: baton ipvsadm --start-daemon',
  },
  sysctls: sysctlNames,
}
