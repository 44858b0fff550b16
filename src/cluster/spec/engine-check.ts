/** What the chosen engine would refuse, said at the key that asks for it. */
import type { EngineCapabilities, EngineChange, EngineName } from '../../engines/engine.ts'
import { refusals } from '../../engines/refusals.ts'
import type { RealServer, Service } from '../../lvs/service.ts'
import type { ClusterSpec, ServiceSpec } from './model.ts'
import { type Path, type Place, problem, type Report } from './source.ts'

type ChosenEngine = { readonly name: EngineName; readonly capabilities: EngineCapabilities }

export function checkEngine(
  spec: ClusterSpec,
  { name, capabilities }: ChosenEngine,
  place: (path: Path) => Place,
  report: Report,
): void {
  for (const service of Object.values(spec.services)) {
    for (const [key, change] of demands(service, capabilities))
      for (const { reason, hint } of refusals(name, capabilities, [change]))
        report(problem(place(['services', service.name, key]), reason, hint))
  }
}

/** A service that demands one thing at a time, so that a refusal belongs to one key. */
function demands({ service, forwarding }: ServiceSpec, can: EngineCapabilities): [string, EngineChange][] {
  const { id, scheduler, persistence, idleTimeoutSeconds, proxyProtocol } = service
  if (id.kind !== 'address') return []
  const protocol = can.protocols[0] ?? id.protocol
  const modest: Service = {
    id: { ...id, protocol },
    scheduler: can.schedulers[0] ?? scheduler,
    schedulerFlags: [],
    onePacket: false,
  }
  const server: RealServer = {
    address: id.address,
    port: id.port,
    forwarding,
    weight: 1,
    upperThreshold: 0,
    lowerThreshold: 0,
  }
  const add = (more: Partial<Service>): EngineChange => ({ kind: 'service.add', service: { ...modest, ...more } })
  const wanted: [string, EngineChange][] = [
    ['protocol', add({ id })],
    ['scheduler', add({ scheduler })],
    ['forwarding', { kind: 'server.add', id, server }],
  ]
  if (persistence !== undefined) wanted.push(['persistence', add({ persistence })])
  if (idleTimeoutSeconds !== undefined) wanted.push(['idle-timeout', add({ idleTimeoutSeconds })])
  if (proxyProtocol !== undefined) wanted.push(['proxy-protocol', add({ proxyProtocol })])
  return wanted
}
