/** The steps that bring the directors and a cluster's services to what is wanted. Pure. */
import { type EbpfTuning, isTuned } from '../../engines/ebpf/tuning.ts'
import { given } from '../spec/given.ts'
import type { ClusterSpec, ServiceSpec } from '../spec/model.ts'
import { type GuestSteps, markedGuests } from './guest-steps.ts'
import type { Observed, ObservedDirector, WantedEngine } from './plan.ts'
import { serviceReasons } from './service-changes.ts'
import type { StepBuilder } from './steps.ts'
import { unreachedServers, type WantedGuest, wantedServices } from './wanted.ts'

/** The ids of the steps after which the services are as wanted. */
export function planServices(
  spec: ClusterSpec,
  observed: Observed,
  wanted: ReadonlyMap<string, WantedGuest>,
  guests: GuestSteps,
  builder: StepBuilder,
): string[] {
  const done: string[] = []
  const states = new Map(
    [...markedGuests(spec.name, observed).values()].flatMap(({ host, state }) => {
      const { name } = state.definition
      return wanted.get(name)?.host === host ? [[name, state] as const] : []
    }),
  )
  const directing = new Set(Object.keys(spec.services).length === 0 ? [] : directorHosts(spec, observed))
  for (const [host, { director, engine, sharesDirectorOf }] of observed.hosts) {
    if (sharesDirectorOf !== undefined) continue
    if (!directing.has(host)) {
      done.push(...planLeave(host, director, guests, builder))
      continue
    }
    const needs = directorStep(engine ?? { name: spec.directors.engine }, spec.directors.ebpf, host, director, builder)
    const resolved = wantedServices(spec, states, director?.services, directorName(spec, observed, host))
    const reasons = serviceReasons(director?.services, resolved)
    for (const { service, guest, port } of unreachedServers(spec, resolved))
      if (states.get(guest)?.state === 'running')
        reasons.push(`${service}: server ${guest}:${port} is not reached anywhere yet`)
    // A guest that starts may be reached elsewhere: the services are looked at again when it runs.
    if (reasons.length === 0 && guests.moving.length > 0) reasons.push('its guests change')
    if (reasons.length === 0) {
      planWait(host, director, builder)
      continue
    }
    const applied = builder.add({ kind: 'services.apply', host }, host, reasons.join('; '), {
      needs,
      after: guests.all,
    })
    done.push(applied)
    if (Object.values(spec.services).some(isChecked))
      builder.add({ kind: 'services.wait', host }, host, 'until the servers are healthy', { needs: [applied] })
  }
  return done
}

function isChecked({ checks, servers }: ServiceSpec): boolean {
  return checks.length > 0 || servers.some((server) => server.checks !== undefined && server.checks.length > 0)
}

/** A run that died while it waited is finished by waiting again. */
function planWait(host: string, director: ObservedDirector | undefined, builder: StepBuilder): void {
  const unwell = director?.unwell ?? []
  if (unwell.length > 0) builder.add({ kind: 'services.wait', host }, host, `${unwell.join(', ')}: not healthy yet`)
}

/** The hosts that stand for the machines on which the spec wants a director. */
function directorHosts(spec: ClusterSpec, observed: Observed): string[] {
  return spec.directors.hosts.map((host) => observed.hosts.get(host)?.sharesDirectorOf ?? host)
}

/** What the file calls the director that `host` stands for. */
function directorName(spec: ClusterSpec, observed: Observed, host: string): string | undefined {
  return spec.directors.hosts.find((name) => (observed.hosts.get(name)?.sharesDirectorOf ?? name) === host)
}

function directorStep(
  { name, reason: because }: WantedEngine,
  ebpf: EbpfTuning | undefined,
  host: string,
  director: ObservedDirector | undefined,
  builder: StepBuilder,
): string[] {
  const start = (reason: string): string[] => {
    const how = { engine: name, ...given('because', because), ...given('ebpf', ebpf) }
    return [builder.add({ kind: 'director.start', host, ...how }, host, reason)]
  }
  if (director === undefined)
    return start(because === undefined ? 'none runs' : `none runs; engine ${name}: ${because}`)
  if (name !== 'auto' && director.engine !== name) {
    const why = because === undefined ? '' : `: ${because}`
    return start(`engine changes from ${director.engine} to ${name}${why}`)
  }
  if (director.engine !== 'ebpf' || isTuned(director.ebpf, ebpf)) return []
  return start('what the ebpf engine is told at its start changes; its traffic goes on meanwhile')
}

/** A director that serves nothing any more is stopped, also when the run that took its services away did not get there. */
function planLeave(
  host: string,
  director: ObservedDirector | undefined,
  guests: GuestSteps,
  builder: StepBuilder,
): string[] {
  if (director === undefined) return []
  const needs =
    director.services === undefined
      ? []
      : [builder.add({ kind: 'services.remove', host }, host, 'no service is wanted here', { after: guests.all })]
  if (!director.servesOthers)
    builder.add({ kind: 'director.stop', host }, host, 'it has nothing to serve', { needs, after: guests.all })
  return needs
}
