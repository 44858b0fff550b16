/** The steps that bring a cluster's guests to what is wanted. Pure. */
import { difference } from '../../difference.ts'
import type { GuestNetwork, GuestState } from '../../guests/hypervisor.ts'
import type { ClusterSpec } from '../spec/model.ts'
import { type GuestChange, guestChange, portsText } from './changes.ts'
import type { Observed } from './plan.ts'
import type { StepBuilder } from './steps.ts'
import { imageSpecOf, type WantedGuest } from './wanted.ts'

export type Standing = { readonly host: string; readonly state: GuestState }

export type GuestSteps = {
  /** The ids of all steps that touch a guest, and of those after which it may be reached elsewhere. */
  readonly all: readonly string[]
  readonly moving: readonly string[]
  /** What is left to do when the services have moved on. */
  readonly closing: readonly Closing[]
}

type Closing = {
  readonly place: string
  readonly wanted: WantedGuest
  readonly reason: string
  readonly needs: readonly string[]
}

type Planning = {
  readonly spec: ClusterSpec
  readonly observed: Observed
  readonly builder: StepBuilder
  /** The last step of each pool's chain of interruptions. */
  readonly chains: Map<string, string>
  readonly all: string[]
  readonly moving: string[]
  readonly closing: Closing[]
}

/** The guests that bear the cluster's mark, by `HOST/NAME`. */
export function markedGuests(cluster: string, observed: Observed): Map<string, Standing> {
  const found = new Map<string, Standing>()
  for (const [host, { guests }] of observed.hosts)
    for (const state of guests)
      if (state.definition.mark?.cluster === cluster) found.set(`${host}/${state.definition.name}`, { host, state })
  return found
}

export function planGuests(
  spec: ClusterSpec,
  observed: Observed,
  wanted: ReadonlyMap<string, WantedGuest>,
  builder: StepBuilder,
): GuestSteps {
  const planning: Planning = { spec, observed, builder, chains: new Map(), all: [], moving: [], closing: [] }
  const byPlace = new Map([...wanted].map(([name, guest]) => [`${guest.host}/${name}`, guest]))
  const found = difference(markedGuests(spec.name, observed), byPlace, () => false)
  const leaving = new Map(found.removed.map(({ key, actual }) => [key, actual]))
  const leavers = new Map([...leaving.values()].map((standing) => [standing.state.definition.name, standing]))
  for (const { key, wanted: guest } of found.added) {
    const elsewhere = leavers.get(guest.guest.name)
    if (elsewhere === undefined) createStep(planning, key, guest)
    else {
      leaving.delete(`${elsewhere.host}/${guest.guest.name}`)
      moveSteps(planning, key, guest, elsewhere)
    }
  }
  for (const { key, actual, wanted: guest } of found.changed) standingSteps(planning, key, guest, actual.state)
  for (const [key, { host, state }] of leaving)
    planning.all.push(
      builder.add({ kind: 'guest.remove', host, guest: state.definition.name }, key, 'it is no longer wanted'),
    )
  return planning
}

function createStep(planning: Planning, place: string, { host, guest }: WantedGuest): void {
  const needs = imageStep(planning, { host, guest })
  const id = planning.builder.add({ kind: 'guest.create', host, guest }, place, 'it is not there', { needs })
  planning.all.push(id)
  planning.moving.push(id)
}

/** Never two of one name: it goes there before it comes here, and the others of its pool stay meanwhile. */
function moveSteps(planning: Planning, place: string, { host, guest }: WantedGuest, from: Standing): void {
  const { builder, chains, all, moving } = planning
  const pool = guest.mark?.pool ?? guest.name
  const image = imageStep(planning, { host, guest })
  const before = chains.get(pool)
  const removed = builder.add(
    { kind: 'guest.remove', host: from.host, guest: guest.name },
    `${from.host}/${guest.name}`,
    `it moves to ${host}`,
    { needs: before === undefined ? image : [...image, before] },
  )
  const created = builder.add({ kind: 'guest.create', host, guest }, place, `it moves here from ${from.host}`, {
    needs: [...image, removed],
  })
  chains.set(pool, created)
  all.push(removed, created)
  moving.push(created)
}

function standingSteps(planning: Planning, place: string, wanted: WantedGuest, state: GuestState): void {
  const { host, guest } = wanted
  const { builder, observed, all, moving } = planning
  const seed = observed.seeds?.get(guest.mark?.pool ?? guest.name)
  const change = guestChange(state.definition, guest, observed.digests.get(guest.image), seed)
  const changed = change === undefined ? undefined : changeStep(planning, place, wanted, change, state)
  if (changed !== undefined) all.push(changed)
  if (change !== undefined && change.closes.length > 0)
    planning.closing.push({
      place: `${place} ports`,
      wanted,
      reason: `${portsText(change.closes)} no longer used`,
      needs: changed === undefined ? [] : [changed],
    })
  const started = change === undefined || change.kind === 'update'
  if (state.state !== 'running' && started) {
    const id = builder.add({ kind: 'guest.start', host, guest: guest.name }, place, whyStart(state), {
      needs: changed === undefined ? [] : [changed],
    })
    all.push(id)
    moving.push(id)
  } else if (changed !== undefined && change?.movesPorts === true) moving.push(changed)
}

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

/**
 * Restarts and replacements of one pool run one after the other, so that the pool never goes away at once. undefined
 * when all there is to do has to wait for the services.
 */
function changeStep(
  planning: Planning,
  place: string,
  { host, guest }: WantedGuest,
  change: GuestChange,
  { definition }: GuestState,
): string | undefined {
  const { builder, chains } = planning
  const reasons = change.reasons.join(', ')
  if (change.kind === 'update') {
    const open = { ...guest, network: withForwards(guest.network, definition.network) }
    return reasons === '' ? undefined : builder.add({ kind: 'guest.update', host, guest: open }, place, reasons)
  }
  const needs = change.kind === 'replace' ? imageStep(planning, { host, guest }) : []
  const pool = guest.mark?.pool ?? guest.name
  const before = chains.get(pool)
  const reason = change.kind === 'replace' ? `replace because ${reasons}` : reasons
  const id = builder.add({ kind: `guest.${change.kind}`, host, guest }, place, reason, {
    needs: before === undefined ? needs : [...needs, before],
  })
  chains.set(pool, id)
  return id
}

/** As wanted, with what is still forwarded: the services use it until they have moved on. */
function withForwards(wanted: GuestNetwork, standing: GuestNetwork): GuestNetwork {
  if (wanted.kind !== 'user' || standing.kind !== 'user') return wanted
  const isWanted = ({ protocol, port }: GuestForward): boolean =>
    wanted.forwards.some((other) => other.protocol === protocol && other.port === port)
  return { kind: 'user', forwards: [...wanted.forwards, ...standing.forwards.filter((one) => !isWanted(one))] }
}

type GuestForward = Extract<GuestNetwork, { kind: 'user' }>['forwards'][number]

/** When the services are where they should be, nothing is left open that they used before. */
export function planClosing(closing: readonly Closing[], services: readonly string[], builder: StepBuilder): void {
  for (const { place, wanted, reason, needs } of closing)
    builder.add({ kind: 'guest.update', ...wanted }, place, reason, { needs: [...needs, ...services] })
}

/** The build step that a guest's image needs on its host, if it is not built there yet. */
function imageStep({ spec, observed, builder }: Planning, { host, guest }: WantedGuest): string[] {
  const digest = observed.digests.get(guest.image)
  if (digest !== undefined && observed.built.has(`${host}/${digest}`)) return []
  const action = { kind: 'image.build', host, image: guest.image, spec: imageSpecOf(spec, guest.image) } as const
  return [builder.addOnce(action, `${host}/${guest.image}`, 'it is not in the cache')]
}
