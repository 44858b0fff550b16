/** Makes the plan: wanted against observed, into steps with reasons and an order. Pure. */
import { difference } from '../../difference.ts'
import type { ClusterServices } from '../../director/control.ts'
import type { GuestState } from '../../guests/hypervisor.ts'
import type { ClusterSpec } from '../spec/model.ts'
import { type GuestChange, guestChange, serviceReasons } from './changes.ts'
import type { Action, Blast, Observed, Plan, Planned, Step } from './plan.ts'
import { imageSpecOf, type WantedGuest, wantedGuests, wantedServices } from './wanted.ts'

export function planUp(spec: ClusterSpec, observed: Observed): Planned {
  const wanted = wantedGuests(spec)
  const standing = standingGuests(observed)
  const conflicts = conflictsOf(spec, wanted, standing)
  if (conflicts.length > 0) return { kind: 'conflicts', conflicts }
  const builder = stepBuilder()
  const guestSteps = planGuests(spec, observed, wanted, standing, builder)
  planServices(spec, observed, guestSteps, builder)
  return {
    kind: 'plan',
    plan: { cluster: spec.name, steps: builder.steps(), blast: blastOf(spec, observed, builder.steps()) },
  }
}

/** Everything that bears the cluster's mark goes, wherever it is. */
export function planDown(spec: ClusterSpec, observed: Observed): Plan {
  const builder = stepBuilder()
  const servicesGone: string[] = []
  for (const [host, { director }] of observed.hosts)
    if (director?.services !== undefined)
      servicesGone.push(builder.add({ kind: 'services.remove', host }, host, 'the cluster is taken down'))
  const guestsGone = [...standingGuests(observed).values()].flatMap(({ host, state }) =>
    state.definition.mark?.cluster === spec.name
      ? [
          builder.add(
            { kind: 'guest.remove', host, guest: state.definition.name },
            `${host}/${state.definition.name}`,
            'the cluster is taken down',
            { after: servicesGone },
          ),
        ]
      : [],
  )
  for (const [host, { director }] of observed.hosts)
    if (director !== undefined && director.otherClusters === 0)
      builder.add({ kind: 'director.stop', host }, host, 'no cluster is left for it', {
        needs: servicesGone,
        after: guestsGone,
      })
  return { cluster: spec.name, steps: builder.steps(), blast: blastOf(spec, observed, builder.steps()) }
}

type Standing = { readonly host: string; readonly state: GuestState }

/** By `HOST/NAME`. */
function standingGuests(observed: Observed): Map<string, Standing> {
  const found = new Map<string, Standing>()
  for (const [host, { guests }] of observed.hosts)
    for (const state of guests) found.set(`${host}/${state.definition.name}`, { host, state })
  return found
}

/** A guest that somebody else made is never taken over. */
function conflictsOf(
  spec: ClusterSpec,
  wanted: ReadonlyMap<string, WantedGuest>,
  standing: ReadonlyMap<string, Standing>,
): string[] {
  return [...wanted].flatMap(([name, { host }]) => {
    const other = standing.get(`${host}/${name}`)
    if (other === undefined) return []
    const { mark } = other.state.definition
    if (mark?.cluster === spec.name) return []
    const owner = mark === undefined ? 'was made by hand' : `belongs to cluster ${mark.cluster}`
    return [`guest ${name} on ${host} ${owner}: rename the pool, or take that guest away first`]
  })
}

function planGuests(
  spec: ClusterSpec,
  observed: Observed,
  wanted: ReadonlyMap<string, WantedGuest>,
  standing: ReadonlyMap<string, Standing>,
  builder: StepBuilder,
): GuestSteps {
  const mine = new Map([...standing].filter(([, { state }]) => state.definition.mark?.cluster === spec.name))
  const byPlace = new Map([...wanted].map(([name, guest]) => [`${guest.host}/${name}`, guest]))
  const found = difference(mine, byPlace, () => false)
  const steps: { all: string[]; changed: string[] } = { all: [], changed: [] }
  const chains = new Map<string, string>()
  for (const { key, wanted: guest } of found.added) {
    const needs = imageStep(spec, observed, guest, builder)
    const id = builder.add({ kind: 'guest.create', host: guest.host, guest: guest.guest }, key, 'it is not there', {
      needs,
    })
    steps.all.push(id)
    steps.changed.push(id)
  }
  for (const { key, actual, wanted: guest } of found.changed) {
    const change = guestChange(actual.state.definition, guest.guest, observed.digests.get(guest.guest.image))
    if (change !== undefined) {
      const id = changeStep(spec, observed, key, guest, change, chains, builder)
      steps.all.push(id)
      if (change.movesPorts) steps.changed.push(id)
    } else if (actual.state.state !== 'running') {
      const id = builder.add(
        { kind: 'guest.start', host: guest.host, guest: guest.guest.name },
        key,
        whyStart(actual.state),
      )
      steps.all.push(id)
      steps.changed.push(id)
    }
  }
  for (const { key, actual } of found.removed)
    steps.all.push(
      builder.add(
        { kind: 'guest.remove', host: actual.host, guest: actual.state.definition.name },
        key,
        'it is no longer wanted',
      ),
    )
  return steps
}

type GuestSteps = { readonly all: readonly string[]; readonly changed: readonly string[] }

function whyStart({ state }: GuestState): string {
  switch (state) {
    case 'crashed':
      return 'its process is gone'
    case 'paused':
      return 'it is paused'
    case 'saved':
      return 'it is saved'
    case 'stopped':
    case 'running':
      return 'it is stopped'
  }
}

/** Restarts and replacements of one pool run one after the other, so that the pool never goes away at once. */
function changeStep(
  spec: ClusterSpec,
  observed: Observed,
  place: string,
  { host, guest }: WantedGuest,
  change: GuestChange,
  chains: Map<string, string>,
  builder: StepBuilder,
): string {
  const needs = change.kind === 'replace' ? imageStep(spec, observed, { host, guest }, builder) : []
  if (change.kind === 'update')
    return builder.add({ kind: 'guest.update', host, guest }, place, change.reasons.join(', '))
  const pool = guest.mark?.pool ?? guest.name
  const before = chains.get(pool)
  const reason = change.kind === 'replace' ? `replace because ${change.reasons.join(', ')}` : change.reasons.join(', ')
  const id = builder.add({ kind: `guest.${change.kind}`, host, guest }, place, reason, {
    needs: before === undefined ? needs : [...needs, before],
  })
  chains.set(pool, id)
  return id
}

/** The build step that a guest's image needs on its host, if it is not built there yet. */
function imageStep(
  spec: ClusterSpec,
  observed: Observed,
  { host, guest }: WantedGuest,
  builder: StepBuilder,
): string[] {
  const digest = observed.digests.get(guest.image)
  if (digest !== undefined && observed.built.has(`${host}/${digest}`)) return []
  const subject = `${host}/${guest.image}`
  return [
    builder.addOnce(
      { kind: 'image.build', host, image: guest.image, spec: imageSpecOf(spec, guest.image) },
      subject,
      'it is not in the cache',
    ),
  ]
}

function planServices(spec: ClusterSpec, observed: Observed, guests: GuestSteps, builder: StepBuilder): void {
  const states = new Map(
    [...observed.hosts.values()].flatMap((host) => host.guests.map((guest) => [guest.definition.name, guest] as const)),
  )
  const hasServices = Object.keys(spec.services).length > 0
  for (const [host, { director }] of observed.hosts) {
    const isWanted = hasServices && spec.directors.hosts.includes(host)
    if (!isWanted) {
      planLeave(host, director?.services, director?.otherClusters, guests, builder)
      continue
    }
    const needs = directorStep(spec, host, observed, builder)
    const wanted = wantedServices(spec, states, director?.services)
    const reasons = serviceReasons(director?.services, wanted)
    // A guest that starts may be reached elsewhere: the services are looked at again when it runs.
    if (reasons.length === 0 && guests.changed.length > 0) reasons.push('its guests change')
    if (reasons.length === 0) continue
    const applied = builder.add({ kind: 'services.apply', host }, host, reasons.join('; '), {
      needs,
      after: guests.all,
    })
    if (Object.values(spec.services).some(({ check }) => check !== undefined))
      builder.add({ kind: 'services.wait', host }, host, 'until the servers are healthy', { needs: [applied] })
  }
}

function directorStep(spec: ClusterSpec, host: string, observed: Observed, builder: StepBuilder): string[] {
  const { engine } = spec.directors
  const director = observed.hosts.get(host)?.director
  if (director === undefined) return [builder.add({ kind: 'director.start', host, engine }, host, 'none runs')]
  if (engine === 'auto' || director.engine === engine) return []
  return [
    builder.add({ kind: 'director.start', host, engine }, host, `engine changes from ${director.engine} to ${engine}`),
  ]
}

function planLeave(
  host: string,
  services: ClusterServices | undefined,
  otherClusters: number | undefined,
  guests: GuestSteps,
  builder: StepBuilder,
): void {
  if (services === undefined) return
  const gone = builder.add({ kind: 'services.remove', host }, host, 'no service is wanted here', { after: guests.all })
  if (otherClusters === 0)
    builder.add({ kind: 'director.stop', host }, host, 'no cluster is left for it', { needs: [gone] })
}

function blastOf(spec: ClusterSpec, observed: Observed, steps: readonly Step[]): Blast {
  const marked = [...observed.hosts.values()]
    .flatMap(({ guests }) => guests)
    .filter(({ definition }) => definition.mark?.cluster === spec.name)
  const gone = steps.flatMap(({ action }) =>
    action.kind === 'guest.remove' ? [action.guest] : action.kind === 'guest.replace' ? [action.guest.name] : [],
  )
  const standing = [...observed.hosts.values()].flatMap(({ director }) => director?.services?.services ?? [])
  const wantedNames = new Set(
    steps.some(({ action }) => action.kind === 'services.remove') ? [] : Object.keys(spec.services),
  )
  const servers = standing.flatMap((service) => service.servers.map((server) => ({ service: service.name, server })))
  const lost = servers.filter(({ service, server }) => {
    if (!wantedNames.has(service)) return true
    if (server.guest !== undefined) return gone.includes(server.guest)
    const { address, port } = server
    return !(spec.services[service]?.servers ?? []).some(
      (wanted) => wanted.kind === 'address' && wanted.endpoint.address === address && wanted.endpoint.port === port,
    )
  })
  return { guests: gone.length, ofGuests: marked.length, servers: lost.length, ofServers: servers.length }
}

type Order = { readonly needs?: readonly string[]; readonly after?: readonly string[] }

type StepBuilder = {
  /** Returns the step's id. */
  add(action: Action, subject: string, reason: string, order?: Order): string
  /** As `add`, unless the same step is there already. */
  addOnce(action: Action, subject: string, reason: string): string
  steps(): readonly Step[]
}

function stepBuilder(): StepBuilder {
  const steps: Step[] = []
  const ids = new Set<string>()
  const add: StepBuilder['add'] = (action, subject, reason, { needs = [], after = [] } = {}) => {
    const id = `${action.kind} ${subject}`
    ids.add(id)
    steps.push({ id, action, reason, needs, after })
    return id
  }
  return {
    add,
    addOnce: (action, subject, reason) => {
      const id = `${action.kind} ${subject}`
      return ids.has(id) ? id : add(action, subject, reason)
    },
    steps: () => steps,
  }
}
