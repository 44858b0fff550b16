/** Runs the probes of many servers at their intervals, each by itself, and knows what they said. */
import { type Endpoint, formatEndpoint } from '../lvs/service.ts'
import type { CheckSpec, Probe, ProbeSpec } from './check.ts'
import { openProbe } from './checks/registry.ts'
import { type HealthState, nextProbeMs, step, unknownHealth } from './machine.ts'

/** Time and chance, so that a test can own them. */
export type Timing = {
  /** Resolves after `ms`, or at once when the signal aborts. */
  readonly sleep: (ms: number, signal: AbortSignal) => Promise<void>
  /** In [0, 1). */
  readonly chance: () => number
}

export type CheckTarget = { readonly check: CheckSpec; readonly endpoint: Endpoint }

export type CheckView = { readonly health: HealthState['kind']; readonly detail: string }

export type HealthChange = {
  readonly target: CheckTarget
  readonly from: string
  readonly to: string
  readonly detail: string
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
  /** Probes under way at once; the others wait for a place, which counts as part of their interval. */
  readonly concurrency?: number
}

type Watched = {
  readonly target: CheckTarget
  readonly probe: Probe
  readonly stop: AbortController
  state: HealthState
  detail: string
  done: Promise<void>
}

export function openChecker({ timing, onChange, open = openProbe, concurrency = 512 }: CheckerOptions): Checker {
  const watched = new Map<string, Watched>()
  const ending = new Set<Promise<void>>()
  const places = semaphore(concurrency)

  const probeOnce = async (entry: Watched): Promise<void> => {
    const { check, endpoint } = entry.target
    using _place = await places.acquire()
    if (entry.stop.signal.aborted) return
    const signal = AbortSignal.any([entry.stop.signal, AbortSignal.timeout(check.timeoutMs)])
    const result = await entry.probe({ address: endpoint.address, port: check.port ?? endpoint.port }, { signal })
    if (entry.stop.signal.aborted) return
    const next = step(check, entry.state, { kind: result.healthy ? 'succeeded' : 'failed' })
    entry.state = next.state
    entry.detail = result.detail
    for (const { from, to } of next.effects) onChange({ target: entry.target, from, to, detail: result.detail })
  }
  const loop = async (entry: Watched): Promise<void> => {
    const { signal } = entry.stop
    while (!signal.aborted) {
      await probeOnce(entry)
      await timing.sleep(nextProbeMs(entry.target.check.everyMs, timing.chance()), signal)
    }
  }
  const end = (key: string, entry: Watched): void => {
    watched.delete(key)
    entry.stop.abort()
    ending.add(entry.done)
    void entry.done.finally(() => ending.delete(entry.done))
  }
  return {
    watch(targets) {
      const wanted = new Map(targets.map((target) => [targetKey(target), target]))
      for (const [key, entry] of watched) if (!wanted.has(key)) end(key, entry)
      for (const [key, target] of wanted) {
        if (watched.has(key)) continue
        const entry: Watched = {
          target,
          probe: open(target.check.probe),
          stop: new AbortController(),
          state: unknownHealth,
          detail: 'not probed yet',
          done: Promise.resolve(),
        }
        watched.set(key, entry)
        entry.done = loop(entry)
      }
    },
    view(target) {
      const entry = watched.get(targetKey(target))
      return { health: entry?.state.kind ?? 'unknown', detail: entry?.detail ?? 'not probed yet' }
    },
    async probeNow(target) {
      const entry = watched.get(targetKey(target))
      if (entry !== undefined) await probeOnce(entry)
    },
    async [Symbol.asyncDispose]() {
      for (const [key, entry] of watched) end(key, entry)
      await Promise.all(ending)
    },
  }
}

/** Services that check the same server in the same way share one probe. */
export function targetKey({ check, endpoint }: CheckTarget): string {
  const { probe, port, everyMs, timeoutMs, rise, fall } = check
  return JSON.stringify([
    formatEndpoint({ address: endpoint.address, port: port ?? endpoint.port }),
    probe,
    everyMs,
    timeoutMs,
    rise,
    fall,
  ])
}

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
