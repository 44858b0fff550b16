/** Tells whoever listens what happens in a director, and keeps the last of it. Who listens slowly holds up nobody. */
import type { EventQuery, EventRecord } from './control.ts'
import type { DirectorEvent } from './events.ts'

/** So many are kept for those who ask later; results of checks are not, as they would drive out all else. */
const mostKept = 1024

/** So many may wait for one listener; then the oldest are dropped, and he is told how many. */
const mostWaiting = 1024

export type EventHub = Disposable & {
  /** `clusters`: whom an event concerns that names none itself. */
  publish(event: DirectorEvent, clusters?: readonly string[]): void
  /** Ends when the query's signal aborts, and with the hub. Begins to listen when it is first asked. */
  events(query: EventQuery): AsyncIterable<EventRecord>
  /** Whether somebody asks for the results of checks: otherwise they need not be made. */
  wantsResults(): boolean
}

export type EventHubOptions = {
  readonly now: () => Date
  /** Called for every event but the results of checks, of which there are too many for a log. */
  readonly onEvent: (event: DirectorEvent) => void
  /** Called for every event, before anybody else hears of it. */
  readonly onRecord?: (record: EventRecord, clusters: readonly string[] | undefined) => void
}

type Kept = { readonly record: EventRecord; readonly clusters: readonly string[] | undefined }

type Listener = {
  readonly query: EventQuery
  readonly waiting: EventRecord[]
  /** Dropped since he was last told so, and the number of the last of them. */
  lost: { readonly count: number; readonly id: number; readonly reason: string } | undefined
  ended: boolean
  wake: () => void
}

export function eventHub({ now, onEvent, onRecord }: EventHubOptions): EventHub {
  const kept: Kept[] = []
  const listeners = new Set<Listener>()
  let last = 0
  /** Of those that are not kept any more: how many, and the number of the last. */
  let gone = { count: 0, id: 0 }

  const keep = (one: Kept): void => {
    kept.push(one)
    if (kept.length <= mostKept) return
    gone = { count: gone.count + 1, id: kept.shift()?.record.id ?? gone.id }
  }
  /** A number that was not given yet is one of an earlier daemon: all is news then. */
  const begin = (query: EventQuery): Listener => {
    const { after: asked, follow = true } = query
    const after = asked === undefined || asked <= last ? asked : 0
    const waiting = after === undefined ? [] : kept.filter((one) => one.record.id > after && concerns(one, query))
    const missed = after === undefined ? 0 : Math.min(gone.count, gone.id - after)
    return {
      query,
      waiting: waiting.map(({ record }) => record),
      lost: missed > 0 ? { count: missed, id: gone.id, reason: `only the last ${mostKept} are kept` } : undefined,
      ended: !follow,
      wake: () => {},
    }
  }
  const give = (listener: Listener, one: Kept): void => {
    if (!concerns(one, listener.query)) return
    listener.waiting.push(one.record)
    if (listener.waiting.length > mostWaiting) {
      const id = listener.waiting.shift()?.id ?? 0
      listener.lost = { count: (listener.lost?.count ?? 0) + 1, id, reason: 'they were not taken fast enough' }
    }
    listener.wake()
  }
  const lossOf = (listener: Listener): EventRecord | undefined => {
    if (listener.lost === undefined) return undefined
    const { count, id, reason } = listener.lost
    listener.lost = undefined
    const event: DirectorEvent = { kind: 'events.lost', to: 'a listener', lost: count, reason }
    onEvent(event)
    return { id, at: now().toISOString(), event }
  }
  return {
    publish(event, clusters) {
      const isResult = event.kind === 'check.result'
      if (!isResult) onEvent(event)
      last += 1
      const one: Kept = { record: { id: last, at: now().toISOString(), event }, clusters }
      onRecord?.(one.record, clusters)
      if (!isResult) keep(one)
      for (const listener of listeners) give(listener, one)
    },
    async *events(query) {
      const { signal } = query
      const listener = begin(query)
      const onAbort = (): void => listener.wake()
      signal.addEventListener('abort', onAbort, { once: true })
      if (!listener.ended) listeners.add(listener)
      try {
        while (!signal.aborted) {
          const next = lossOf(listener) ?? listener.waiting.shift()
          if (next !== undefined) yield next
          else if (listener.ended) return
          else await new Promise<void>((resolve) => (listener.wake = resolve))
        }
      } finally {
        listeners.delete(listener)
        signal.removeEventListener('abort', onAbort)
      }
    },
    wantsResults: () => [...listeners].some(({ query }) => query.results === true),
    [Symbol.dispose]() {
      for (const listener of listeners) {
        listener.ended = true
        listener.wake()
      }
      listeners.clear()
    },
  }
}

function concerns({ record: { event }, clusters }: Kept, { cluster, results = false }: EventQuery): boolean {
  if (event.kind === 'check.result' && !results) return false
  return cluster === undefined || concernsCluster(event, clusters, cluster)
}

/** What is about a cluster, and what is about the director as a whole; not what concerns others, or hands, only. */
export function concernsCluster(
  event: DirectorEvent,
  clusters: readonly string[] | undefined,
  cluster: string,
): boolean {
  switch (event.kind) {
    case 'server.drained':
    case 'server.undrained':
    case 'guest.moved':
      return clusters?.includes(cluster) === true
    case 'table.edited':
      return false
    case 'checks.hindered':
    case 'checks.unhindered':
    case 'engine.failed':
    case 'engine.recovered':
    case 'table.changed':
    case 'settings.changed':
    case 'intent.trouble':
    case 'events.lost':
      return true
    case 'vrrp.turned':
    case 'vrrp.trouble':
    case 'vrrp.priority':
    case 'vrrp.contested':
      return event.router.startsWith(`${cluster}/`)
    default:
      return event.cluster === cluster
  }
}
