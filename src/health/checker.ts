/** Runs the probes of many servers at their intervals, each by itself, and knows what they said. */
import { canonicalText } from '../difference.ts'
import { describeError } from '../errors.ts'
import { type Endpoint, formatEndpoint } from '../lvs/service.ts'
import type { CheckSpec, Probe, ProbeResult, ProbeSpec } from './check.ts'
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
}

export type CheckView = { readonly health: HealthState['kind']; readonly detail: string }

export type HealthChange = {
  /** The `targetKey` of all targets that this probe stands for. */
  readonly key: string
  readonly from: HealthState['kind']
  readonly to: 'healthy' | 'unhealthy'
  readonly detail: string
  /** For how many results it had been what it was before. */
  readonly after: number
}

export interface Checker extends AsyncDisposable {
  /** The targets to probe from now on. One that stays goes on undisturbed; equal ones are probed once. */
  watch(targets: readonly CheckTarget[]): void
  view(target: CheckTarget): CheckView
  /** Probes once, now, beside the interval; its result counts like any other. */
  probeNow(target: CheckTarget): Promise<void>
}

export type CheckerOptions = {
  readonly timing: Timing
  /** Called after a target's health changed. */
  readonly onChange: (change: HealthChange) => void
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
  /** Results in a row that said the same. */
  repeated: number
  done: Promise<void>
}

export function openChecker({ timing, onChange, open = openProbe, concurrency = 512 }: CheckerOptions): Checker {
  const watched = new Map<string, Watched>()
  const ending = new Set<Promise<void>>()
  const places = semaphore(concurrency)

  const probeOnce = async (entry: Watched): Promise<void> => {
    using _place = await places.acquire()
    if (entry.stop.signal.aborted) return
    const result = await resultOf(entry, timing)
    if (entry.stop.signal.aborted) return
    const before = entry.repeated
    const next = step(entry.target.check, entry.state, { kind: result.healthy ? 'succeeded' : 'failed' })
    entry.state = next.state
    entry.detail = result.detail
    entry.repeated = next.effects.length === 0 ? before + 1 : 1
    for (const { from, to } of next.effects)
      onChange({ key: entry.key, from, to, detail: result.detail, after: before })
  }
  const loop = async (entry: Watched): Promise<void> => {
    const { signal } = entry.stop
    while (!signal.aborted) {
      await probeOnce(entry)
      await timing.sleep(nextProbeMs(entry.target.check.everyMs, timing.chance()), signal)
    }
  }
  const begin = (key: string, target: CheckTarget): void => {
    const entry = newEntry(key, target, open)
    watched.set(key, entry)
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
        if (target.start === 'anew' || !wanted.has(key)) wanted.set(key, target)
      }
      for (const [key, entry] of watched) if (!wanted.has(key) || wanted.get(key)?.start === 'anew') end(entry)
      for (const [key, target] of wanted) if (!watched.has(key)) begin(key, target)
    },
    view(target) {
      const entry = watched.get(targetKey(target))
      return { health: entry?.state.kind ?? 'unknown', detail: entry?.detail ?? notProbed }
    },
    async probeNow(target) {
      const entry = watched.get(targetKey(target))
      if (entry !== undefined) await probeOnce(entry)
    },
    async [Symbol.asyncDispose]() {
      for (const entry of watched.values()) end(entry)
      await Promise.all(ending)
    },
  }
}

const notProbed = 'not probed yet'

function newEntry(key: string, target: CheckTarget, open: (spec: ProbeSpec) => Probe): Watched {
  return {
    key,
    target,
    probe: open(target.check.probe),
    stop: new AbortController(),
    state: target.start === 'presumed' ? presumedHealthy : unknownHealth,
    detail: notProbed,
    repeated: 0,
    done: Promise.resolve(),
  }
}

/** Ends by the check's timeout even when the probe itself would not: one check must never hold up another. */
async function resultOf(
  { target, probe, stop }: Watched,
  timing: Timing,
): Promise<Pick<ProbeResult, 'healthy' | 'detail'>> {
  const { check, endpoint } = target
  using limit = deadline(timing, stop.signal, check.timeoutMs)
  const { signal } = limit
  const late = new Promise<Pick<ProbeResult, 'healthy' | 'detail'>>((resolve) => {
    const result = { healthy: false, detail: `no result within ${check.timeoutMs} ms` }
    // The probe hears of the abort at the same time and has the first word: it knows how far it came.
    signal.addEventListener('abort', () => void setImmediate(() => resolve(result)), { once: true })
  })
  try {
    return await Promise.race([probe(endpoint, { signal }), late])
  } catch (error) {
    return { healthy: false, detail: `the check could not run: ${describeError(error)}` }
  }
}

/** What a check does, as text; kept, as one check is asked for by all its servers at every round. */
const checkTexts = new WeakMap<CheckSpec, string>()

/** Services that check the same server in the same way share one probe. */
export function targetKey({ check, endpoint }: Pick<CheckTarget, 'check' | 'endpoint'>): string {
  let text = checkTexts.get(check)
  if (text === undefined) {
    const { probe, everyMs, timeoutMs, rise, fall } = check
    text = canonicalText([probe, everyMs, timeoutMs, rise, fall])
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
