/**
 * One virtual router: who is master, and what follows. Pure: what happens arrives as events with their time, what is to be
 * done leaves as effects. Sections are those of RFC 9568, whose numbers RFC 5798 shares; RFC 3768 says the same for version 2.
 */
import { addressNumber } from '../../lvs/address.ts'
import type { RouterConfig } from './config.ts'
import { masterDownMs, skewMs } from './timers.ts'

export type RouterKind = 'stopped' | 'backup' | 'master' | 'fault'

/** Who says that it is master. */
export type HeardMaster = {
  readonly address: string
  readonly priority: number
  readonly path: number
  readonly atMs: number
}

export type RouterState = {
  readonly kind: RouterKind
  readonly sinceMs: number
  /** What it is now: the configured one, and what is tracked. */
  readonly priority: number
  /** What is tracked and ill, so that it may not be master. */
  readonly faults: readonly string[]
  /** Another of its group is at fault, and therefore this one. */
  readonly heldBy?: string
  /** Master_Adver_Interval: version 3's masters say theirs. */
  readonly masterIntervalMs: number
  readonly heard?: HeardMaster
  /** When an equal was last heard, by path: the first path that they hear each other on decides between them. */
  readonly equalsMs: readonly (number | undefined)[]
  /** Backup: when the master counts as gone. */
  readonly downAtMs?: number
  /** Backup: until then a master of lower priority is borne. */
  readonly preemptAtMs?: number
  /** Grouped: the master is gone, and the others of the group must see that, too. */
  readonly isWilling: boolean
  /** By hand: it leaves mastership to others for as long as there is one. */
  readonly isYielding: boolean
  /** Master: when the next advertisement is due, and when all are told again where the addresses are. */
  readonly advertAtMs?: number
  readonly announceAtMs?: number
  readonly announceTimes: number
  readonly refreshAtMs?: number
}

export type Happening =
  | { readonly kind: 'start' | 'stop' | 'tick' }
  /** `own`: this machine's address on that path. */
  | {
      readonly kind: 'heard'
      readonly path: number
      readonly from: string
      readonly own: string | undefined
      readonly priority: number
      readonly intervalMs: number
    }
  | { readonly kind: 'tracked'; readonly priority: number; readonly faults: readonly string[] }
  /** By hand: leave it to another, and take part as usual again. */
  | { readonly kind: 'yield' | 'resume' }
  /** By its group. */
  | { readonly kind: 'promote' | 'demote' }
  | { readonly kind: 'hold'; readonly by: string | undefined }

export type RouterEvent = Happening & { readonly atMs: number }

export type RouterEffect =
  | { readonly kind: 'advertise'; readonly priority: number }
  | { readonly kind: 'claim' | 'release' }
  | { readonly kind: 'announce'; readonly times: number }
  | { readonly kind: 'turned'; readonly from: RouterKind; readonly to: RouterKind; readonly reason: string }
  /** Another master that should be none. */
  | { readonly kind: 'conflict'; readonly from: string; readonly path: number; readonly priority: number }

export type RouterStep = { readonly state: RouterState; readonly effects: readonly RouterEffect[] }

const owner = 255

export function initialState(config: RouterConfig, atMs: number): RouterState {
  return {
    kind: 'stopped',
    sinceMs: atMs,
    priority: config.priority,
    faults: [],
    masterIntervalMs: config.intervalMs,
    equalsMs: [],
    isWilling: false,
    isYielding: false,
    announceTimes: 0,
  }
}

/** When a `tick` is due; undefined: nothing happens by itself. */
export function nextTickMs(state: RouterState): number | undefined {
  const due = [state.downAtMs, state.advertAtMs, state.announceAtMs, state.refreshAtMs].flatMap((at) => at ?? [])
  return due.length === 0 ? undefined : Math.min(...due)
}

export function step(config: RouterConfig, state: RouterState, event: RouterEvent): RouterStep {
  switch (event.kind) {
    case 'start':
      return state.kind === 'stopped' ? enter(config, state, event.atMs, 'it takes part') : nothing(state)
    case 'stop':
      return state.kind === 'stopped' ? nothing(state) : leave(state, 'stopped', event.atMs, 'it is stopped')
    case 'tracked':
      return stepTracked(config, { ...state, priority: event.priority, faults: event.faults }, state, event.atMs)
    case 'hold':
      return stepTracked(config, heldBy(state, event.by), state, event.atMs)
    case 'tick':
      return state.kind === 'master' ? tickMaster(config, state, event.atMs) : tickBackup(config, state, event.atMs)
    case 'heard':
      return state.kind === 'master' ? heardAsMaster(config, state, event) : heardAsBackup(config, state, event)
    case 'promote':
      return state.kind === 'backup'
        ? becomeMaster(config, state, event.atMs, 'its group becomes master')
        : nothing(state)
    case 'demote':
      return state.kind === 'master' ? becomeBackup(config, state, event.atMs, 'its group is backup') : nothing(state)
    case 'yield':
      return stepYield(config, state, event.atMs)
    case 'resume':
      return nothing({ ...state, isYielding: false })
  }
}

type Heard = RouterEvent & { readonly kind: 'heard' }

/** §6.4.1. */
function enter(config: RouterConfig, state: RouterState, atMs: number, reason: string): RouterStep {
  if (isAtFault(state)) return turn(state, 'fault', atMs, faultReason(state))
  // The owner of the addresses does not wait for anybody.
  const isOwner = state.priority === owner
  if (isOwner && !config.isGrouped) return becomeMaster(config, state, atMs, 'the addresses are its own')
  const entered = turn(state, 'backup', atMs, reason)
  const masterIntervalMs = config.intervalMs
  const waiting = { ...entered.state, masterIntervalMs, isWilling: isOwner }
  return { ...entered, state: waitForMaster(config, waiting, atMs) }
}

/** §6.4.2. */
function heardAsBackup(config: RouterConfig, state: RouterState, event: Heard): RouterStep {
  const { atMs, priority } = event
  const heard = { ...state, heard: { address: event.from, priority, path: event.path, atMs } }
  if (state.kind !== 'backup') return nothing(heard)
  const known = priority === state.priority ? withEqual(heard, event) : heard
  if (priority === 0) {
    const { preemptAtMs: _, ...rest } = known
    return nothing({ ...rest, downAtMs: atMs + skewMs(config, state.priority, state.masterIntervalMs) })
  }
  if (priority < state.priority && config.preempts && !state.isYielding) return bear(config, known, event)
  const { preemptAtMs: _, ...rest } = known
  return nothing(accept(config, rest, event))
}

/** A master of lower priority: with a delay it is borne until that is over. Then it is not heard, and the timer runs out. */
function bear(config: RouterConfig, state: RouterState, event: Heard): RouterStep {
  if (config.preemptDelayMs === 0) return nothing(state)
  const preemptAtMs = state.preemptAtMs ?? event.atMs + config.preemptDelayMs
  const bearing = { ...state, preemptAtMs }
  return nothing(event.atMs < preemptAtMs ? accept(config, bearing, event) : bearing)
}

function accept(config: RouterConfig, state: RouterState, { intervalMs, atMs }: Heard): RouterState {
  const masterIntervalMs = config.version === 3 ? intervalMs : config.intervalMs
  return waitForMaster(config, { ...state, masterIntervalMs, isWilling: false }, atMs)
}

function waitForMaster(config: RouterConfig, state: RouterState, atMs: number): RouterState {
  return { ...state, downAtMs: atMs + masterDownMs(config, state.priority, state.masterIntervalMs) }
}

function tickBackup(config: RouterConfig, state: RouterState, atMs: number): RouterStep {
  if (state.kind !== 'backup' || state.downAtMs === undefined || atMs < state.downAtMs) return nothing(state)
  // Its group decides; until then it goes on listening.
  if (config.isGrouped) return nothing(waitForMaster(config, { ...state, isWilling: true }, atMs))
  return becomeMaster(config, state, atMs, whyNow(state, atMs))
}

function whyNow({ heard, priority, sinceMs }: RouterState, atMs: number): string {
  if (heard === undefined || heard.atMs < sinceMs) return 'no master was heard'
  if (heard.priority === 0) return `${heard.address} has resigned`
  if (heard.priority < priority) return `${heard.address} has the lower priority ${heard.priority}`
  return `${heard.address} has not been heard for ${((atMs - heard.atMs) / 1000).toFixed(3)} s`
}

/** §6.4.3. */
function heardAsMaster(config: RouterConfig, was: RouterState, event: Heard): RouterStep {
  const { atMs, priority, from, path } = event
  const isEqual = priority === was.priority
  const state = isEqual ? withEqual(was, event) : was
  if (priority === 0) return advertise(config, state, atMs)
  const isAbove = priority > state.priority || (isEqual && losesTie(config, state, event))
  if (isAbove) {
    const why = isEqual ? `${from} has the same priority and the greater address` : `${from} has priority ${priority}`
    const heard = { address: from, priority, path, atMs }
    const yielded = becomeBackup(config, { ...state, heard }, atMs, why)
    return { ...yielded, state: accept(config, yielded.state, event) }
  }
  const conflict: RouterEffect = { kind: 'conflict', from, path, priority }
  if (!config.answersLower) return { state, effects: [conflict] }
  const { conflictTimes, conflictDelayMs } = config.announcing
  const answered = advertise(config, state, atMs)
  // What is under way already is enough: the other one may go on for long.
  if (conflictTimes === 0 || state.announceAtMs !== undefined)
    return { ...answered, effects: [...answered.effects, conflict] }
  return {
    state: { ...answered.state, announceAtMs: atMs + conflictDelayMs, announceTimes: conflictTimes },
    effects: [...answered.effects, { kind: 'announce', times: conflictTimes }, conflict],
  }
}

function withEqual(state: RouterState, { path, atMs }: Heard): RouterState {
  const equalsMs = Array.from({ length: Math.max(state.equalsMs.length, path + 1) }, (_, at) =>
    at === path ? atMs : state.equalsMs[at],
  )
  return { ...state, equalsMs }
}

/**
 * The greater address stays master. Addresses of two paths may contradict each other, and both routers would give way:
 * so only the first path counts on which the other one is heard.
 */
function losesTie(config: RouterConfig, state: RouterState, { path, from, own, atMs }: Heard): boolean {
  const recently = atMs - masterDownMs(config, state.priority, config.intervalMs)
  const decisive = state.equalsMs.findIndex((heardMs) => heardMs !== undefined && heardMs > recently)
  if (decisive >= 0 && decisive < path) return false
  return own === undefined || (addressNumber(from) ?? 0n) > (addressNumber(own) ?? 0n)
}

function tickMaster(config: RouterConfig, state: RouterState, atMs: number): RouterStep {
  const effects: RouterEffect[] = []
  let next = state
  if (state.advertAtMs !== undefined && atMs >= state.advertAtMs) {
    effects.push({ kind: 'advertise', priority: state.priority })
    // From when it was due, so that lateness does not add up; unless more than one has been missed.
    const regular = state.advertAtMs + config.intervalMs
    next = { ...next, advertAtMs: regular > atMs ? regular : atMs + config.intervalMs }
  }
  if (state.announceAtMs !== undefined && atMs >= state.announceAtMs) {
    effects.push({ kind: 'announce', times: state.announceTimes })
    const { announceAtMs: _, ...rest } = next
    next = rest
  }
  const { refreshMs, refreshTimes } = config.announcing
  if (state.refreshAtMs !== undefined && refreshMs !== undefined && atMs >= state.refreshAtMs) {
    effects.push({ kind: 'announce', times: refreshTimes })
    next = { ...next, refreshAtMs: atMs + refreshMs }
  }
  return { state: next, effects }
}

function advertise(config: RouterConfig, state: RouterState, atMs: number): RouterStep {
  return {
    state: { ...state, advertAtMs: atMs + config.intervalMs },
    effects: [{ kind: 'advertise', priority: state.priority }],
  }
}

/** §6.4.2 (395)…: the advertisement first, so that others stop; then the addresses, then all are told where they are. */
function becomeMaster(config: RouterConfig, was: RouterState, atMs: number, reason: string): RouterStep {
  const { state, effects } = turn(was, 'master', atMs, reason)
  const { times, delayMs, refreshMs } = config.announcing
  return {
    state: {
      ...state,
      isWilling: false,
      isYielding: false,
      masterIntervalMs: config.intervalMs,
      advertAtMs: atMs + config.intervalMs,
      announceTimes: times,
      ...(times === 0 ? {} : { announceAtMs: atMs + delayMs }),
      ...(refreshMs === undefined ? {} : { refreshAtMs: atMs + refreshMs }),
    },
    effects: [
      { kind: 'advertise', priority: state.priority },
      { kind: 'claim' },
      ...(times === 0 ? [] : [{ kind: 'announce', times } as const]),
      ...effects,
    ],
  }
}

/** For a master that was heard: nobody needs to be told. */
function becomeBackup(config: RouterConfig, was: RouterState, atMs: number, reason: string): RouterStep {
  const { state, effects } = turn(was, 'backup', atMs, reason)
  return { state: waitForMaster(config, state, atMs), effects: [{ kind: 'release' }, ...effects] }
}

/** A master that ends says so, and another one waits no longer than its skew; then the addresses go. */
function leave(was: RouterState, to: 'stopped' | 'fault' | 'backup', atMs: number, reason: string): RouterStep {
  const { state, effects } = turn(was, to, atMs, reason)
  const farewell: RouterEffect[] =
    was.kind === 'master' ? [{ kind: 'advertise', priority: 0 }, { kind: 'release' }] : []
  return { state, effects: [...farewell, ...effects] }
}

function stepYield(config: RouterConfig, state: RouterState, atMs: number): RouterStep {
  if (state.kind !== 'master') return nothing({ ...state, isYielding: true })
  const left = leave(state, 'backup', atMs, 'it hands over')
  return { ...left, state: waitForMaster(config, { ...left.state, isYielding: true }, atMs) }
}

function stepTracked(config: RouterConfig, state: RouterState, was: RouterState, atMs: number): RouterStep {
  if (state.kind === 'stopped') return nothing(state)
  if (isAtFault(state)) return state.kind === 'fault' ? nothing(state) : leave(state, 'fault', atMs, faultReason(state))
  if (state.kind === 'fault') return enter(config, state, atMs, 'the fault is over')
  if (state.downAtMs === undefined || state.priority === was.priority) return nothing(state)
  const change =
    skewMs(config, state.priority, state.masterIntervalMs) - skewMs(config, was.priority, state.masterIntervalMs)
  return nothing({ ...state, downAtMs: state.downAtMs + change })
}

export function isAtFault({ faults, heldBy }: RouterState): boolean {
  return faults.length > 0 || heldBy !== undefined
}

function faultReason({ faults, heldBy }: RouterState): string {
  return faults.length > 0 ? faults.join(', ') : `${heldBy} of its group is at fault`
}

function heldBy(state: RouterState, by: string | undefined): RouterState {
  const { heldBy: _, ...rest } = state
  return by === undefined ? rest : { ...rest, heldBy: by }
}

/** No timer outlives its state. */
function turn(was: RouterState, to: RouterKind, atMs: number, reason: string): RouterStep {
  const { downAtMs: _d, preemptAtMs: _p, advertAtMs: _a, announceAtMs: _n, refreshAtMs: _r, ...rest } = was
  return {
    state: { ...rest, kind: to, sinceMs: atMs, isWilling: false },
    effects: [{ kind: 'turned', from: was.kind, to, reason }],
  }
}

function nothing(state: RouterState): RouterStep {
  return { state, effects: [] }
}
