/**
 * What waits for one sink and how it is delivered: one event after the other, each tried again with longer and longer
 * rests, given up in the end. Pure: outcomes and time arrive as events, deliveries and rests leave as effects.
 */
import type { EventRecord } from '../control.ts'

/** More than these do not wait: the oldest is dropped, and the sink is told how many it has missed. */
export const mostWaiting = 1000
export const mostTries = 10
/** From the first try of an event on. */
export const longestMs = 600_000
const restMs = { least: 1_000, most: 60_000 }
/** What a server asks for with Retry-After is heeded up to here. */
const longestAskedMs = 300_000

type Head = {
  readonly record: EventRecord
  /** An event, or the word that some were lost. */
  readonly stands: { readonly kind: 'event' } | { readonly kind: 'loss'; readonly count: number }
  readonly tries: number
  readonly sinceMs: number
  readonly isResting: boolean
}

/** What the sink misses since it was last told so. `unsaid`: how many of them nobody else was told of, either. */
type Lost = {
  readonly count: number
  readonly unsaid: number
  readonly last: Pick<EventRecord, 'id' | 'at'>
  readonly reason: string
}

export type QueueState = {
  readonly waiting: readonly EventRecord[]
  readonly head: Head | undefined
  readonly lost: Lost | undefined
  readonly isEnding: boolean
}

export type QueueEvent =
  | { readonly kind: 'told'; readonly record: EventRecord; readonly nowMs: number }
  | { readonly kind: 'delivered'; readonly nowMs: number }
  | {
      readonly kind: 'failed'
      readonly nowMs: number
      readonly reason: string
      readonly retryable: boolean
      readonly retryAfterMs?: number
      /** In [0, 1). */
      readonly chance: number
    }
  | { readonly kind: 'rested'; readonly nowMs: number }
  /** The director ends: what waits has one try left. */
  | { readonly kind: 'ending'; readonly nowMs: number }

export type QueueEffect =
  | { readonly kind: 'send'; readonly record: EventRecord }
  | { readonly kind: 'rest'; readonly ms: number }
  | { readonly kind: 'gaveUp' }
  /** So many will not be told. */
  | { readonly kind: 'lost'; readonly count: number; readonly reason: string }

export type QueueStep = { readonly state: QueueState; readonly effects: readonly QueueEffect[] }

export const emptyQueue: QueueState = { waiting: [], head: undefined, lost: undefined, isEnding: false }

export function isIdle({ head, waiting }: QueueState): boolean {
  return head === undefined && waiting.length === 0
}

export function step(state: QueueState, event: QueueEvent): QueueStep {
  const { head } = state
  switch (event.kind) {
    case 'told':
      return begin(withRecord(state, event.record), event.nowMs, [])
    case 'delivered':
      return head === undefined || head.isResting ? same(state) : begin({ ...state, head: undefined }, event.nowMs, [])
    case 'failed':
      return head === undefined || head.isResting ? same(state) : failed(state, head, event)
    case 'rested':
      return head?.isResting === true ? tryAgain(state, head) : same(state)
    case 'ending': {
      const ending = { ...state, isEnding: true }
      return head?.isResting === true ? tryAgain(ending, head) : { state: ending, effects: [] }
    }
  }
}

function same(state: QueueState): QueueStep {
  return { state, effects: [] }
}

function withRecord(state: QueueState, record: EventRecord): QueueState {
  const [oldest] = state.waiting
  if (oldest === undefined || state.waiting.length < mostWaiting)
    return { ...state, waiting: [...state.waiting, record] }
  const reason = `more than ${mostWaiting} were waiting`
  return { ...state, waiting: [...state.waiting.slice(1), record], lost: withLost(state.lost, oldest, 1, 1, reason) }
}

function withLost(
  lost: Lost | undefined,
  { id, at }: EventRecord,
  count: number,
  unsaid: number,
  reason: string,
): Lost {
  const last = lost !== undefined && lost.last.id > id ? lost.last : { id, at }
  return { count: (lost?.count ?? 0) + count, unsaid: (lost?.unsaid ?? 0) + unsaid, last, reason }
}

/**
 * The next one, when none is under way. What was lost is said in its place, before what came after it; but where that
 * could not be said (`isMute`), first an event has its turn: who refuses everything is not asked for ever.
 */
function begin(state: QueueState, nowMs: number, before: readonly QueueEffect[], isMute = false): QueueStep {
  const [first, ...waiting] = state.head === undefined ? state.waiting : []
  if (first === undefined) return { state, effects: before }
  const fresh = { tries: 1, sinceMs: nowMs, isResting: false }
  if (state.lost === undefined || isMute) {
    const lost = state.lost === undefined ? undefined : { ...state.lost, last: first }
    const head: Head = { record: first, stands: { kind: 'event' }, ...fresh }
    return { state: { ...state, waiting, head, lost }, effects: [...before, { kind: 'send', record: first }] }
  }
  const { lost } = state
  const { count, unsaid, reason, last } = lost
  const record: EventRecord = {
    id: last.id,
    at: last.at,
    event: { kind: 'events.lost', to: 'this sink', lost: count, reason },
  }
  const head: Head = { record, stands: { kind: 'loss', count }, ...fresh }
  const said: QueueEffect[] = unsaid === 0 ? [] : [{ kind: 'lost', count: unsaid, reason }]
  return { state: { ...state, head, lost: undefined }, effects: [...before, ...said, { kind: 'send', record }] }
}

function failed(state: QueueState, head: Head, event: QueueEvent & { readonly kind: 'failed' }): QueueStep {
  const { nowMs, reason, retryable, retryAfterMs = 0, chance } = event
  const ms = Math.max(backOffMs(head.tries, chance), Math.min(retryAfterMs, longestAskedMs))
  const isLate = nowMs + ms - head.sinceMs > longestMs
  if (retryable && !state.isEnding && head.tries < mostTries && !isLate)
    return { state: { ...state, head: { ...head, isResting: true } }, effects: [{ kind: 'rest', ms }] }
  const { stands, tries, record } = head
  const why = `given up after ${tries === 1 ? '1 try' : `${tries} tries`}: ${reason}`
  const count = stands.kind === 'event' ? 1 : stands.count
  const lost = withLost(state.lost, record, count, 0, why)
  // That some were lost was said already.
  const said: QueueEffect[] = stands.kind === 'event' ? [{ kind: 'lost', count, reason: why }] : []
  return begin({ ...state, head: undefined, lost }, nowMs, [{ kind: 'gaveUp' }, ...said], stands.kind === 'loss')
}

function tryAgain(state: QueueState, head: Head): QueueStep {
  const next = { ...head, tries: head.tries + 1, isResting: false }
  return { state: { ...state, head: next }, effects: [{ kind: 'send', record: head.record }] }
}

/** Doubled with each try, a quarter shorter or longer, so that many sinks do not march in step. */
export function backOffMs(tries: number, chance: number): number {
  const doubled = restMs.least * 2 ** (tries - 1) * (0.75 + 0.5 * chance)
  return Math.min(Math.max(doubled, restMs.least), restMs.most)
}
