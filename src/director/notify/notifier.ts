/** Tells the sinks of all clusters what concerns them, each in its own time; nobody waits for one that is slow. */
import { describeError } from '../../errors.ts'
import { deadline, type Timing } from '../../health/timing.ts'
import type { ClusterServices, EventRecord, NotifySink } from '../control.ts'
import { deliver as deliverNow, patienceMs } from './deliver.ts'
import { emptyQueue, isIdle, type QueueEffect, type QueueEvent, type QueueState, step } from './queue.ts'
import { type Deliver, type Outcome, sinkKey, sinkName, wants, wantsResults } from './sink.ts'

/** Deliveries under way at once, over all sinks. */
const mostAtOnce = 4

/** At an orderly end what waits has this long. */
const lastMs = 2_000

export type DeliveryResult = 'delivered' | 'failed' | 'given-up'

export type NotifierOptions = {
  readonly timing: Timing
  /** Names this daemon's life: together with its number an event has a key that none ever had. */
  readonly life: string
  /** So many events will not reach a sink. */
  readonly onLost: (to: string, lost: number, reason: string) => void
  /** Called after each try, and when an event is given up. */
  readonly onTried?: (cluster: string, kind: NotifySink['kind'], result: DeliveryResult) => void
  /** Left out, the real ways. */
  readonly deliver?: Deliver
}

export type Notifier = AsyncDisposable & {
  /** These clusters' sinks are told from now on; what others still wait for goes out, and they hear all until `settle`. */
  follow(clusters: readonly ClusterServices[]): void
  /** Nobody but the sinks that were followed last hears anything new. */
  settle(): void
  tell(record: EventRecord, clusters: readonly string[] | undefined): void
  wantsResults(): boolean
}

type Running = {
  readonly cluster: string
  readonly sink: NotifySink
  readonly name: string
  queue: QueueState
  /** Whether it was among those that were followed last, and whether it may still hear something new. */
  isFollowed: boolean
  isHearing: boolean
}

export function openNotifier(options: NotifierOptions): Notifier {
  const { timing, life, onLost, onTried, deliver = deliverNow } = options
  const sinks = new Map<string, Running>()
  const over = new AbortController()
  const underWay = new Set<Promise<void>>()
  const places = placesFor(mostAtOnce)
  let onIdle = (): void => {}

  const dispatch = (one: Running, event: QueueEvent): void => {
    const next = step(one.queue, event)
    one.queue = next.state
    for (const effect of next.effects) perform(one, effect)
    if (!isIdle(one.queue)) return
    if (!one.isHearing) forget(one)
    onIdle()
  }
  const forget = (one: Running): void => {
    const key = sinkKey(one.cluster, one.sink)
    if (sinks.get(key) === one) sinks.delete(key)
  }
  const perform = (one: Running, effect: QueueEffect): void => {
    switch (effect.kind) {
      case 'send':
        keep(send(one, effect.record))
        return
      case 'rest':
        keep(rest(one, effect.ms))
        return
      case 'lost':
        onLost(one.name, effect.count, effect.reason)
        return
      case 'gaveUp':
        onTried?.(one.cluster, one.sink.kind, 'given-up')
    }
  }
  const keep = (work: Promise<void>): void => {
    const kept = work.finally(() => underWay.delete(kept))
    underWay.add(kept)
  }
  const rest = async (one: Running, ms: number): Promise<void> => {
    await timing.sleep(ms, over.signal)
    if (!over.signal.aborted) dispatch(one, { kind: 'rested', nowMs: timing.now() })
  }
  const send = async (one: Running, record: EventRecord): Promise<void> => {
    const outcome = await places.take(async () => (over.signal.aborted ? undefined : await tryOnce(one.sink, record)))
    // What the end cut short has not failed.
    if (outcome === undefined || (over.signal.aborted && outcome.kind === 'failed')) return
    onTried?.(one.cluster, one.sink.kind, outcome.kind)
    const nowMs = timing.now()
    dispatch(one, outcome.kind === 'failed' ? { ...outcome, nowMs, chance: timing.chance() } : { ...outcome, nowMs })
  }
  const tryOnce = async (sink: NotifySink, record: EventRecord): Promise<Outcome> => {
    using limit = deadline(timing, over.signal, patienceMs[sink.kind])
    // The word of a loss has the number of what was lost, which may have come all the same.
    const key = `${life}/${record.id}${record.event.kind === 'events.lost' ? '/lost' : ''}`
    return await deliver(sink, record, { key, signal: limit.signal }).catch((error: unknown) => ({
      kind: 'failed',
      reason: describeError(error),
      retryable: false,
    }))
  }
  const idle = async (): Promise<void> => {
    while (![...sinks.values()].every(({ queue }) => isIdle(queue)))
      await new Promise<void>((resolve) => (onIdle = resolve))
  }
  return {
    follow(clusters) {
      for (const one of sinks.values()) one.isFollowed = false
      for (const { cluster, notify = [] } of clusters)
        for (const sink of notify) {
          const key = sinkKey(cluster, sink)
          const one = sinks.get(key) ?? { cluster, sink, name: sinkName(sink), queue: emptyQueue, ...fresh }
          one.isFollowed = true
          one.isHearing = true
          sinks.set(key, one)
        }
    },
    settle() {
      for (const one of sinks.values()) {
        one.isHearing = one.isFollowed
        if (!one.isHearing && isIdle(one.queue)) forget(one)
      }
    },
    tell(record, clusters) {
      for (const one of sinks.values())
        if (one.isHearing && wants(one, record, clusters)) dispatch(one, { kind: 'told', record, nowMs: timing.now() })
    },
    wantsResults: () => [...sinks.values()].some(({ sink, isHearing }) => isHearing && wantsResults(sink)),
    async [Symbol.asyncDispose]() {
      for (const one of sinks.values()) {
        one.isHearing = false
        dispatch(one, { kind: 'ending', nowMs: timing.now() })
      }
      const enough = new AbortController()
      await Promise.race([idle(), timing.sleep(lastMs, enough.signal)])
      enough.abort()
      over.abort()
      while (underWay.size > 0) await Promise.all(underWay)
      for (const { name, queue } of sinks.values()) {
        const left = queue.waiting.length + (queue.head?.stands.kind === 'event' ? 1 : 0) + (queue.lost?.unsaid ?? 0)
        if (left > 0) onLost(name, left, 'the director ended')
      }
    },
  }
}

const fresh = { isFollowed: true, isHearing: true }

/** So many at once, the others in the order in which they came: at most one for each sink. */
function placesFor(most: number): { take<T>(body: () => Promise<T>): Promise<T> } {
  const waiting: (() => void)[] = []
  let free = most
  return {
    async take(body) {
      if (free > 0) free -= 1
      else await new Promise<void>((resolve) => waiting.push(resolve))
      try {
        return await body()
      } finally {
        const next = waiting.shift()
        if (next === undefined) free += 1
        else next()
      }
    },
  }
}
