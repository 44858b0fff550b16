/** Everything that speaks against a cluster's services, said at once and before anything is changed. Pure. */
import type { Engine, TableChange } from '../engines/engine.ts'
import { refusals } from '../engines/refusals.ts'
import { describeError, InfraError } from '../errors.ts'
import { patternsOf } from '../health/patterns.ts'
import { type RealServer, realServerKey, serviceKey } from '../lvs/service.ts'
import type { HandTable } from './by-hand.ts'
import type { ClusterServices, WantedService } from './control.ts'
import { settingConflicts } from './settings.ts'
import { fallbackServer } from './table.ts'
import { bothSides, syncConflicts } from './wanted-daemons.ts'

/** @throws InfraError `invalid` or `unsupported`, with every reason. */
export function throwIfUnacceptable(
  engine: Pick<Engine, 'name' | 'capabilities'>,
  wanted: ClusterServices,
  clusters: readonly ClusterServices[],
  byHand: Pick<HandTable, 'daemons'> & { readonly services: ReadonlyMap<string, unknown> },
): void {
  const subject = wanted.cluster
  const conflicts = addressConflicts(wanted, clusters)
  if (conflicts.length > 0)
    throw new InfraError('invalid', conflicts.join('; '), { subject, hint: 'choose other addresses or ports' })
  const ids = routerConflicts(wanted, clusters)
  if (ids.length > 0) throw new InfraError('invalid', ids.join('; '), { subject, hint: 'choose another id' })
  const handMade = wanted.services.filter(({ service }) => byHand.services.has(serviceKey(service.id)))
  if (handMade.length > 0)
    throw new InfraError(
      'invalid',
      handMade
        .map(({ name, service }) => `${serviceKey(service.id)} of ${subject}/${name} was made by hand`)
        .join('; '),
      { subject, hint: 'delete it first with baton ipvsadm -D, or choose another address' },
    )
  const daemons = syncConflicts(wanted, clusters, byHand.daemons())
  if (daemons.length > 0)
    throw new InfraError('invalid', daemons.join('; '), {
      subject,
      hint: 'leave directors.sync out, or stop the other first: baton ipvsadm --stop-daemon',
    })
  const otherwise = settingConflicts(wanted, clusters)
  if (otherwise.length > 0)
    throw new InfraError('invalid', otherwise.join('; '), { subject, hint: 'say the same in both files' })
  const faults = wanted.services.flatMap((service) => faultsOf(service).map((fault) => `${service.name}: ${fault}`))
  if (faults.length > 0) throw new InfraError('invalid', faults.join('; '), { subject })
  const refused = wanted.services.flatMap((service) => {
    const found = refusals(engine.name, engine.capabilities, demandsOf(service))
    return found.map(({ reason, hint }) => ({ reason: `${service.name}: ${reason}`, hint }))
  })
  if (wanted.settings !== undefined)
    refused.push(
      ...refusals(engine.name, engine.capabilities, [{ kind: 'settings', settings: wanted.settings }]).map(
        ({ reason, hint }) => ({ reason, hint }),
      ),
    )
  if (wanted.sync !== undefined)
    for (const role of bothSides)
      refused.push(
        ...refusals(engine.name, engine.capabilities, [{ kind: 'daemon.start', daemon: { role, ...wanted.sync } }]).map(
          ({ reason, hint }) => ({ reason, hint }),
        ),
      )
  if (refused.length === 0) return
  const hint = refused.find((refusal) => refusal.hint !== undefined)?.hint
  const reasons = [...new Set(refused.map(({ reason }) => reason))]
  throw new InfraError('unsupported', reasons.join('; '), hint === undefined ? { subject } : { subject, hint })
}

/** One id is one virtual router on a link. */
function routerConflicts(wanted: ClusterServices, clusters: readonly ClusterServices[]): string[] {
  const routers = ({ vrrp }: ClusterServices) =>
    (vrrp?.groups ?? []).flatMap(({ members }) =>
      members.map(({ config: { name, id, family, paths } }) => {
        const place = `virtual router ${id} on ${paths[0].interface}`
        return { key: `${family} ${place}`, name, place }
      }),
    )
  const others = clusters.filter(({ cluster }) => cluster !== wanted.cluster).flatMap(routers)
  return routers(wanted).flatMap(({ key, name, place }) => {
    const owner = others.find((other) => other.key === key)
    return owner === undefined ? [] : [`${place} of ${name} is taken by ${owner.name}`]
  })
}

/** The service, and one server for each way in which its servers are reached: many are alike. */
function demandsOf({ service, servers, fallback }: WantedService): TableChange[] {
  const kinds = new Map<string, RealServer>()
  const last = fallback === undefined ? [] : [fallbackServer(fallback)]
  for (const server of [...servers, ...last]) {
    const { forwarding, upperThreshold, lowerThreshold, tunnel } = server
    kinds.set(`${forwarding} ${upperThreshold > 0 || lowerThreshold > 0} ${tunnel?.type}`, server)
  }
  const { id } = service
  return [
    { kind: 'service.add', service },
    ...[...kinds.values()].map((server): TableChange => ({ kind: 'server.add', id, server })),
  ]
}

function addressConflicts(wanted: ClusterServices, clusters: readonly ClusterServices[]): string[] {
  const taken = new Map<string, string>()
  for (const { cluster, services } of clusters)
    if (cluster !== wanted.cluster)
      for (const { name, service } of services) taken.set(serviceKey(service.id), `${cluster}/${name}`)
  const conflicts: string[] = []
  for (const { name, service } of wanted.services) {
    const key = serviceKey(service.id)
    const other = taken.get(key)
    if (other !== undefined) conflicts.push(`${key} of ${wanted.cluster}/${name} is taken by ${other}`)
    taken.set(key, `${wanted.cluster}/${name}`)
  }
  return conflicts
}

function faultsOf({ servers, checks }: WantedService): string[] {
  const once = new Set<string>()
  const twice = new Set<string>()
  for (const key of servers.map(realServerKey)) (once.has(key) ? twice : once).add(key)
  const faults = [...twice].map((key) => `${key} is there twice`)
  const all = new Set([...checks, ...servers.flatMap((server) => server.checks ?? [])])
  for (const pattern of [...all].flatMap(({ probe }) => patternsOf(probe))) {
    try {
      RegExp(pattern)
    } catch (error) {
      faults.push(`the check has a pattern that is none: ${describeError(error)}`)
    }
  }
  return faults
}
