/** What `baton top` knows and shows: a pure machine of samples and keys. Rates are differences of two samples. */

import type { Health } from '../../director/states.ts'
import { assertNever } from '../../errors.ts'
import type { GuestRunState } from '../../guests/hypervisor.ts'

export type GuestSample = {
  readonly name: string
  readonly state: GuestRunState
  readonly memoryBytes: number
  /** undefined while it does not run. */
  readonly cpuSeconds: number | undefined
  readonly residentBytes: number | undefined
}

export type ServerSample = {
  readonly address: string
  readonly guest: string | null
  readonly weight: number
  readonly health: Health
  readonly drained: boolean
  readonly active: number
  readonly inactive: number
  readonly connections: number
  readonly bytes: number
}

export type ServiceSample = {
  readonly name: string
  readonly address: string
  readonly scheduler: string
  readonly connections: number
  readonly bytes: number
  readonly servers: readonly ServerSample[]
}

export type Sample = {
  /** A monotonic clock's time, milliseconds. */
  readonly atMs: number
  readonly guests: readonly GuestSample[]
  readonly services: readonly ServiceSample[]
  /** What could not be asked, in words. */
  readonly problem: string | undefined
}

/** Guests have no connections of their own; servers no CPU: each key sorts what it can, the rest goes by name. */
export type SortKey = 'name' | 'cpu' | 'memory' | 'connections' | 'bytes'

export type GuestRow = GuestSample & { readonly cpuPercent: number | undefined }
export type ServerRow = ServerSample & Rates
export type ServiceRow = Omit<ServiceSample, 'servers'> & Rates & { readonly servers: readonly ServerRow[] }
export type Rates = { readonly connectionsPerSecond: number; readonly bytesPerSecond: number }

export type Target =
  | { readonly kind: 'guest'; readonly guest: string }
  | { readonly kind: 'server'; readonly service: string; readonly address: string; readonly guest: string | null }

export type State = {
  readonly previous: Sample | undefined
  readonly current: Sample | undefined
  readonly sort: SortKey
  readonly selected: Target | undefined
  readonly message: string | undefined
}

export type Event =
  | { readonly kind: 'sample'; readonly sample: Sample }
  | { readonly kind: 'key'; readonly key: string }
  | { readonly kind: 'message'; readonly text: string }

export type Effect = { readonly kind: 'quit' } | { readonly kind: 'drain' | 'undrain'; readonly target: Target }

export type Step = { readonly state: State; readonly effects: readonly Effect[] }

export const initialState: State = {
  previous: undefined,
  current: undefined,
  sort: 'cpu',
  selected: undefined,
  message: undefined,
}

const sortKeys: Readonly<Record<string, SortKey>> = { n: 'name', c: 'cpu', m: 'memory', r: 'connections', b: 'bytes' }

export function step(state: State, event: Event): Step {
  switch (event.kind) {
    case 'sample':
      return { state: keepSelection({ ...state, previous: state.current, current: event.sample }), effects: [] }
    case 'message':
      return { state: { ...state, message: event.text }, effects: [] }
    case 'key':
      return stepKey({ ...state, message: undefined }, event.key)
    default:
      return assertNever(event)
  }
}

function stepKey(state: State, key: string): Step {
  const sort = sortKeys[key]
  if (sort !== undefined) return { state: { ...state, sort }, effects: [] }
  if (key === 'q' || key === 'ctrl-c' || key === 'escape') return { state, effects: [{ kind: 'quit' }] }
  if (key === 'up' || key === 'k') return { state: move(state, -1), effects: [] }
  if (key === 'down' || key === 'j') return { state: move(state, 1), effects: [] }
  if (key === 'd' || key === 'u') {
    if (state.selected === undefined) return { state: { ...state, message: 'nothing is selected' }, effects: [] }
    return { state, effects: [{ kind: key === 'd' ? 'drain' : 'undrain', target: state.selected }] }
  }
  return { state, effects: [] }
}

/** Everything that can be selected, in the order in which it is shown. */
export function targets(state: State): Target[] {
  const servers = serviceRows(state).flatMap((service) =>
    service.servers.map(({ address, guest }): Target => ({ kind: 'server', service: service.address, address, guest })),
  )
  return [...guestRows(state).map(({ name }): Target => ({ kind: 'guest', guest: name })), ...servers]
}

export function targetKey(target: Target): string {
  return target.kind === 'guest' ? `guest ${target.guest}` : `server ${target.service} ${target.address}`
}

function selectedIndex(state: State, all: readonly Target[]): number {
  const { selected } = state
  return selected === undefined ? -1 : all.findIndex((target) => targetKey(target) === targetKey(selected))
}

function move(state: State, by: number): State {
  const all = targets(state)
  const next = Math.min(all.length - 1, Math.max(0, selectedIndex(state, all) + by))
  return { ...state, selected: all[next] }
}

function keepSelection(state: State): State {
  return selectedIndex(state, targets(state)) === -1 ? { ...state, selected: undefined } : state
}

export function guestRows({ previous, current, sort }: State): GuestRow[] {
  const before = new Map(previous?.guests.map((guest) => [guest.name, guest]))
  const seconds = elapsedSeconds(previous, current)
  const rows = (current?.guests ?? []).map((guest): GuestRow => {
    const used = difference(before.get(guest.name)?.cpuSeconds, guest.cpuSeconds)
    return { ...guest, cpuPercent: used === undefined || seconds === 0 ? undefined : (100 * used) / seconds }
  })
  if (sort === 'cpu') return sorted(rows, ({ cpuPercent }) => cpuPercent)
  if (sort === 'memory') return sorted(rows, ({ residentBytes }) => residentBytes)
  return sorted(rows, () => 0)
}

export function serviceRows({ previous, current, sort }: State): ServiceRow[] {
  const seconds = elapsedSeconds(previous, current)
  const before = new Map(previous?.services.map((service) => [service.address, service]))
  const size = ({ connectionsPerSecond, bytesPerSecond }: Rates): number =>
    sort === 'connections' ? connectionsPerSecond : sort === 'bytes' ? bytesPerSecond : 0
  const rows = (current?.services ?? []).map((service): ServiceRow => {
    const old = before.get(service.address)
    const oldServers = new Map(old?.servers.map((server) => [server.address, server]))
    const servers = service.servers.map((server) => ({
      ...server,
      ...rates(oldServers.get(server.address), server, seconds),
      name: server.guest ?? server.address,
    }))
    return { ...service, ...rates(old, service, seconds), servers: sorted(servers, size) }
  })
  return sorted(rows, size)
}

type Counted = { readonly connections: number; readonly bytes: number }

function rates(before: Counted | undefined, now: Counted, seconds: number): Rates {
  const rate = (a: number | undefined, b: number): number => (seconds === 0 ? 0 : (difference(a, b) ?? 0) / seconds)
  return {
    connectionsPerSecond: rate(before?.connections, now.connections),
    bytesPerSecond: rate(before?.bytes, now.bytes),
  }
}

/** A counter that went back belongs to something that was started again: it says nothing about this interval. */
function difference(before: number | undefined, now: number | undefined): number | undefined {
  return before === undefined || now === undefined || now < before ? undefined : now - before
}

function elapsedSeconds(previous: Sample | undefined, current: Sample | undefined): number {
  return previous === undefined || current === undefined ? 0 : (current.atMs - previous.atMs) / 1000
}

/** The biggest first, the unknown last, equals by name: web-2 before web-10. */
function sorted<T extends { readonly name: string }>(rows: readonly T[], size: (row: T) => number | undefined): T[] {
  return [...rows].sort(
    (a, b) => (size(b) ?? -1) - (size(a) ?? -1) || a.name.localeCompare(b.name, 'en', { numeric: true }),
  )
}
