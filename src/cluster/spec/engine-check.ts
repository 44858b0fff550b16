/** What the chosen engine would refuse, said at the key that asks for it. */
import type { EngineChoice } from '../../engines/choice.ts'
import type { EngineCapabilities, EngineChange } from '../../engines/engine.ts'
import { refusals } from '../../engines/refusals.ts'
import type { RealServer, Service, ServiceId } from '../../lvs/service.ts'
import type { ClusterSpec, ServiceSpec } from './model.ts'
import { type Path, type Place, problem, type Report } from './source.ts'
import { unheardServices } from './unheard.ts'

/** With a reason where it was chosen by `auto`. */
export type ChosenEngine = Pick<EngineChoice, 'name' | 'capabilities'> & Partial<EngineChoice>

/** What a key asks for; the last change alone is what it adds. */
type Demand = readonly [path: Path, changes: readonly EngineChange[]]

export function checkEngine(
  spec: ClusterSpec,
  { name, capabilities, missing }: ChosenEngine,
  place: (path: Path) => Place,
  report: Report,
): void {
  const demands = [
    ...Object.values(spec.services).flatMap((service) =>
      [...serviceDemands(service, capabilities), ...serverDemands(service)].map(
        ([path, changes]): Demand => [['services', service.name, ...path], changes],
      ),
    ),
    ...settingsDemands(spec),
  ]
  for (const { service, reason } of unheardServices(spec, name))
    report(problem(place(['services', service, 'address']), reason, 'leave accept: out, or give it another address'))
  for (const [path, changes] of demands)
    for (const { change, reason, hint } of refusals(name, capabilities, changes))
      if (change === changes.at(-1)) report(problem(place(path), reason, hintOf(hint, missing)))
}

/** `missing`: with `auto` it is the best that there is here; why others are not. */
function hintOf(hint: string | undefined, missing: string | undefined): string | undefined {
  return missing === undefined
    ? hint
    : [...(hint === undefined ? [] : [hint]), `no engine here can carry all: ${missing}`].join('; ')
}

/** Services that demand one thing at a time, so that a refusal belongs to one key. */
function serviceDemands({ service }: ServiceSpec, can: EngineCapabilities): Demand[] {
  const { id, scheduler, persistence, onePacket, idleTimeoutSeconds, proxyProtocol, application } = service
  const modest: Service = {
    id: modestId(id, can),
    scheduler: can.schedulers[0] ?? scheduler,
    schedulerFlags: [],
    onePacket: false,
  }
  const add = (more: Partial<Service>): EngineChange[] => [{ kind: 'service.add', service: { ...modest, ...more } }]
  const wanted: Demand[] = [[['scheduler'], add({ scheduler })]]
  if (id.kind === 'address') {
    if (id.port === 0) wanted.push([['address'], add({ id: { ...id, protocol: can.protocols[0] ?? id.protocol } })])
    wanted.push([['protocol'], add({ id: { ...id, port: 1 } })])
  } else if (id.kind === 'fwmark') wanted.push([['mark'], add({ id })])
  else if (id.kind === 'dns') wanted.push([['dns'], add({ id })])
  if (persistence !== undefined) wanted.push([['persistence'], add({ persistence })])
  if (onePacket) wanted.push([['one-packet'], add({ onePacket })])
  if (idleTimeoutSeconds !== undefined) wanted.push([['idle-timeout'], add({ idleTimeoutSeconds })])
  if (proxyProtocol !== undefined) wanted.push([['proxy-protocol'], add({ proxyProtocol })])
  if (application !== undefined) wanted.push([[application.kind], add({ application })])
  return wanted
}

/** Nothing that an engine could refuse. */
function modestId(id: ServiceId, can: EngineCapabilities): ServiceId {
  const address = id.kind === 'address' ? id.address : '127.0.0.1'
  return { kind: 'address', protocol: can.protocols[0] ?? 'tcp', address, port: 1 }
}

/** How its servers are reached: what the service says for all of them, once. */
function serverDemands({ service, forwarding, servers, fallback }: ServiceSpec): Demand[] {
  const add: EngineChange = { kind: 'service.add', service }
  const server = (changes: Partial<RealServer>): readonly EngineChange[] => {
    const plain: RealServer = {
      address: '127.0.0.1',
      port: 1,
      forwarding: 'masq',
      weight: 1,
      upperThreshold: 0,
      lowerThreshold: 0,
    }
    return [add, { kind: 'server.add', id: service.id, server: { ...plain, ...changes } }]
  }
  const own = servers.flatMap((one, index): Demand[] => {
    const { forwarding, upperThreshold = 0, lowerThreshold = 0 } = one
    const at = (key: string): Path => ['servers', index, key]
    return [
      ...(forwarding === undefined ? [] : [[at('forwarding'), server({ forwarding })] as const]),
      ...(upperThreshold === 0 && lowerThreshold === 0
        ? []
        : [[at('upper-threshold'), server({ upperThreshold, lowerThreshold })] as const]),
    ]
  })
  const last: Demand[] =
    fallback?.forwarding === undefined ? [] : [[['fallback'], server({ forwarding: fallback.forwarding })]]
  return [[['forwarding'], server({ forwarding })], ...own, ...last]
}

function settingsDemands({ directors: { settings } }: ClusterSpec): Demand[] {
  return Object.entries(settings?.sysctls ?? {}).map(([name, value]): Demand => {
    return [['directors', 'sysctls', name], [{ kind: 'settings', settings: { sysctls: { [name]: value } } }]]
  })
}
