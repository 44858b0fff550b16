/** Builders for tests: defaults everywhere, override what matters. */
import type { WantedServer, WantedService } from '../../src/director/control.ts'
import type { CheckSpec } from '../../src/health/check.ts'
import type { Service } from '../../src/lvs/service.ts'

export function buildService(changes: Partial<Service> = {}): Service {
  return {
    id: { kind: 'address', protocol: 'tcp', address: '127.0.0.1', port: 8080 },
    scheduler: 'rr',
    schedulerFlags: [],
    onePacket: false,
    ...changes,
  }
}

export function buildServer(port: number, changes: Partial<WantedServer> = {}): WantedServer {
  return { address: '127.0.0.1', port, forwarding: 'masq', weight: 1, upperThreshold: 0, lowerThreshold: 0, ...changes }
}

export function buildCheck(changes: Partial<CheckSpec> = {}): CheckSpec {
  return { probe: { kind: 'tcp' }, everyMs: 1000, timeoutMs: 500, rise: 2, fall: 3, ...changes }
}

export function buildWanted(changes: Partial<WantedService> = {}): WantedService {
  return {
    name: 'www',
    service: buildService(),
    servers: [buildServer(1001), buildServer(1002)],
    checks: [],
    onFailure: 'drain',
    ...changes,
  }
}
