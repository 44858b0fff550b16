/** Runs the probes of many servers at their intervals, each by itself, and knows what they said. */
import { canonicalText } from '../difference.ts'
import { describeError } from '../errors.ts'
import { type Endpoint, formatEndpoint } from '../lvs/service.ts'
import type { CheckSpec, Probe, ProbeReport, ProbeResult, ProbeSpec } from './check.ts'
import { openProbe } from './checks/registry.ts'
import { type HealthState, nextProbeMs, presumedHealthy, step, unknownHealth } from './machine.ts'
import { deadline, type Timing } from './timing.ts'

export type CheckTarget = {
  readonly check: CheckSpec
  /** Where it is probed, whatever the check says of a port. */
  readonly endpoint: Endpoint
  /**
   * What a target that is new here begins with; left out, nothing is known of it. `presumed`: it serves already, so it
   * must fail before it is taken out. `anew`: what is known is void, also when it is not new.
   */
  readonly start?: 'presumed' | 'anew'
  /**
   * Not probed while this is true; afterwards nothing is known of it, so that the first result decides. A server that is
   * in maintenance for one of those who share its probe is so for all of them.
   */
  readonly maintenance?: boolean
}

export type CheckedHealth = 'unknown' | 'healthy' | 'unhealthy' | 'maintenance'

export type CheckView = {
  readonly health: CheckedHealth
  readonly detail: string
  /** What the server said of itself, where its check is of a kind that hears it. */
  readonly report?: ProbeReport
  /** `timing.now()` when its health became what it is. */
  readonly sinceMs: number
  /** It came back: from unhealthy, from maintenance, or from having been started anew. */
  readonly recovered: boolean
}

export type HealthChange = {
  /** The `targetKey` of all targets that this probe stands for. */
  readonly key: string
  readonly from: CheckedHealth
  readonly to: CheckedHealth
  readonly detail: string
  /** For how many results it had been what it was before. */
  readonly after: number
}

export type CheckResult = Pick<ProbeResult, 'healthy' | 'detail' | 'tookMs' | 'report'> & { readonly key: string }

/**
 * A result that contradicts the health, not the last one that is needed: the `count`th of `needed`. `steadied`: then came
 * one that does not, and it begins to count anew.
 */
export type HealthDoubt = { readonly key: string; readonly health: CheckedHealth } & (
  | { readonly kind: 'wavered'; readonly count: number; readonly needed: number; readonly detail: string }
  | { readonly kind: 'steadied' }
)

export interface Checker extends AsyncDisposable {
  /** The targets to probe from now on. One that stays goes on undisturbed; equal ones are probed once. */
  watch(targets: readonly CheckTarget[]): void
  view(target: CheckTarget): CheckView
  /** Probes once, now, beside the interval; its result counts like any other. */
  probeNow(target: CheckTarget): Promise<void>
}

export type CheckerOptions = {
  readonly timing: Timing
  /** Called after a target's health changed; also from within `watch`, when maintenance begins or ends. */
  readonly onChange: (change: HealthChange) => void
  /** Called with every result, after what follows from it. */
  readonly onResult?: (result: CheckResult) => void
  readonly onDoubt?: (doubt: HealthDoubt) => void
  readonly open?: (spec: ProbeSpec) => Probe
  /** Probes under way at once; the others wait for a place, in their order, which makes their interval longer. */
  readonly concurrency?: number
}

type Watched = {
  readonly key: string
  readonly target: CheckTarget
  readonly probe: Probe
  readonly stop: AbortController
  state: HealthState
  detail: string
  report: ProbeReport | undefined
  sinceMs: number
  isReturning: boolean
  /** Results in a row that said the same. */
  repeated: number
  done: Promise<void>
}

export function openChecker({
  timing,
  onChange,
  onResult,
  onDoubt,
  open = openProbe,
  concurrency = 512,
}: CheckerOptions): Checker {
  const watched = new Map<string, Watched>()
  const ending = new Set<Promise<void>>()
  const places = semaphore(concurrency)

  const probeOnce = async (entry: Watched): Promise<void> => {
    using _place = await places.acquire()
    if (entry.stop.signal.aborted) return
    const result = await resultOf(entry, timing)
    if (entry.stop.signal.aborted) return
    const { key, state: was, repeated: before } = entry
    const { check } = entry.target
    const { state, effects } = step(check, was, { kind: result.healthy ? 'succeeded' : 'failed' })
    const { detail, report } = result
    entry.state = state
    entry.detail = detail
    entry.report = report === undefined ? entry.report : { ...entry.report, ...report }
    entry.repeated = effects.length === 0 ? before + 1 : 1
    for (const { from, to } of effects) {
      entry.sinceMs = timing.now()
      if (to === 'unhealthy') entry.isReturning = true
      onChange({ key, from, to, detail, after: before })
    }
    const health = state.kind
    if (health !== 'unknown' && state.against > 0) {
      const needed = health === 'healthy' ? check.fall : check.rise
      onDoubt?.({ key, health, kind: 'wavered', count: state.against, needed, detail })
    } else if (was.kind === health && was.kind !== 'unknown' && was.against > 0)
      onDoubt?.({ key, health, kind: 'steadied' })
    onResult?.({ key, ...result })
  }
  const maintain = (key: string, target: CheckTarget): Watched => {
    const entry = { ...newEntry(key, target, open, timing.now()), detail: 'in maintenance', isReturning: true }
    watched.set(key, entry)
    return entry
  }
  const loop = async (entry: Watched): Promise<void> => {
    const { signal } = entry.stop
    while (!signal.aborted) {
      await probeOnce(entry)
      await timing.sleep(nextProbeMs(entry.target.check.everyMs, timing.chance()), signal)
    }
  }
  const begin = (key: string, target: CheckTarget, was: Watched | undefined): void => {
    const from = was === undefined ? 'unknown' : healthOf(was)
    if (target.maintenance === true) {
      const { detail } = maintain(key, target)
      if (from !== 'maintenance') onChange({ key, from, to: 'maintenance', detail, after: was?.repeated ?? 0 })
      return
    }
    const entry = newEntry(key, target, open, timing.now())
    watched.set(key, entry)
    if (from === 'maintenance') {
      entry.isReturning = true
      onChange({ key, from, to: healthOf(entry), detail: 'maintenance is over', after: 0 })
    }
    entry.done = loop(entry)
  }
  const end = (entry: Watched): void => {
    watched.delete(entry.key)
    entry.stop.abort()
    ending.add(entry.done)
    void entry.done.finally(() => ending.delete(entry.done))
  }
  return {
    watch(targets) {
      const wanted = new Map<string, CheckTarget>()
      for (const target of targets) {
        const key = targetKey(target)
        const other = wanted.get(key)
        wanted.set(key, other === undefined ? target : joined(other, target))
      }
      const were = new Map(watched)
      for (const [key, entry] of were) {
        const target = wanted.get(key)
        const isMaintained = target?.maintenance === true
        const isOther = isMaintained !== (entry.target.maintenance === true) || target?.start === 'anew'
        if (target === undefined || isOther) end(entry)
      }
      for (const [key, target] of wanted) if (!watched.has(key)) begin(key, target, were.get(key))
    },
    view(target) {
      const entry = watched.get(targetKey(target))
      if (entry === undefined) return { health: 'unknown', detail: notProbed, sinceMs: timing.now(), recovered: false }
      const { detail, report, sinceMs, isReturning } = entry
      const health = healthOf(entry)
      const recovered = isReturning && health === 'healthy'
      return { health, detail, ...(report === undefined ? {} : { report }), sinceMs, recovered }
    },
    async probeNow(target) {
      const entry = watched.get(targetKey(target))
      if (entry !== undefined && entry.target.maintenance !== true) await probeOnce(entry)
    },
    async [Symbol.asyncDispose]() {
      for (const entry of watched.values()) end(entry)
      await Promise.all(ending)
    },
  }
}

const notProbed = 'not probed yet'

const healthOf = ({ target, state }: Watched): CheckedHealth =>
  target.maintenance === true ? 'maintenance' : state.kind

/** What two who share a probe want of it. */
function joined(one: CheckTarget, other: CheckTarget): CheckTarget {
  const start = one.start === 'anew' ? one : other.start === 'anew' ? other : one
  return one.maintenance === true || other.maintenance === true ? { ...start, maintenance: true } : start
}

function newEntry(key: string, target: CheckTarget, open: (spec: ProbeSpec) => Probe, nowMs: number): Watched {
  return {
    key,
    target,
    probe: open(target.check.probe),
    stop: new AbortController(),
    state: target.start === 'presumed' ? presumedHealthy : unknownHealth,
    detail: notProbed,
    report: undefined,
    sinceMs: nowMs,
    isReturning: target.start === 'anew',
    repeated: 0,
    done: Promise.resolve(),
  }
}

/** Ends by the check's timeout even when the probe itself would not: one check must never hold up another. */
async function resultOf({ target, probe, stop }: Watched, timing: Timing): Promise<ProbeResult> {
  const { check, endpoint } = target
  const begunMs = timing.now()
  using limit = deadline(timing, stop.signal, check.timeoutMs)
  const { signal } = limit
  const late = new Promise<ProbeResult>((resolve) => {
    const result = { healthy: false, detail: `no result within ${check.timeoutMs} ms`, tookMs: check.timeoutMs }
    // The probe hears of the abort at the same time and has the first word: it knows how far it came.
    signal.addEventListener('abort', () => void setImmediate(() => resolve(result)), { once: true })
  })
  try {
    return await Promise.race([probe(endpoint, { signal }), late])
  } catch (error) {
    const detail = `the check could not run: ${describeError(error)}`
    return { healthy: false, detail, tookMs: timing.now() - begunMs }
  }
}

/** What a check does, as text; kept, as one check is asked for by all its servers at every round. */
const checkTexts = new WeakMap<CheckSpec, string>()

/** Services that check the same server in the same way share one probe. Its place is in the endpoint. */
export function targetKey({ check, endpoint }: Pick<CheckTarget, 'check' | 'endpoint'>): string {
  let text = checkTexts.get(check)
  if (text === undefined) {
    const { address: _address, port: _port, ...rest } = check
    text = canonicalText(rest)
    checkTexts.set(check, text)
  }
  return `${formatEndpoint(endpoint)} ${text}`
}

/** Served in the order in which they came; bounded by the number of targets. */
function semaphore(places: number): { acquire: () => Promise<Disposable> } {
  const waiting: (() => void)[] = []
  let free = places
  const release = (): void => {
    const next = waiting.shift()
    if (next === undefined) free += 1
    else next()
  }
  return {
    async acquire() {
      if (free > 0) free -= 1
      else await new Promise<void>((resolve) => waiting.push(resolve))
      return { [Symbol.dispose]: release }
    },
  }
}
