/** Counts results of checks and how long they took, by service and kind of check. Asked at every result: it is quick. */
import type { ProbeWatcher } from '../../director/checks.ts'
import type { WantedService } from '../../director/control.ts'
import type { ProbeKind } from '../../health/check.ts'
import type { CheckResult } from '../../health/target.ts'

/** Upper bounds in seconds; what took longer is in the last one. */
export const durationBounds = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10] as const

export type Tally = {
  readonly cluster: string
  readonly service: string
  readonly kind: ProbeKind
  passed: number
  failed: number
  seconds: number
  /** How many took up to each bound, and not up to the one before; the last: longer. */
  readonly buckets: Float64Array
}

export type CheckTally = {
  readonly take: (result: Pick<CheckResult, 'healthy' | 'tookMs'>, watchers: readonly ProbeWatcher[]) => void
  /** Of these services, in their order. */
  of(cluster: string | undefined, service: string): readonly Tally[]
}

/** More services than these that are not asked for are forgotten. */
const mostServices = 50_000

export function openCheckTally(): CheckTally {
  const byName = new Map<string, Map<ProbeKind, Tally>>()
  /** The way to it from what is wanted, which is the same object until the next reload. */
  const byService = new WeakMap<WantedService, Map<ProbeKind, Tally>>()
  const kindsOf = (cluster: string, service: WantedService): Map<ProbeKind, Tally> => {
    const known = byService.get(service)
    if (known !== undefined) return known
    const name = `${cluster}/${service.name}`
    const kinds = byName.get(name) ?? new Map<ProbeKind, Tally>()
    // Anew at the end: the first are those that were not wanted for longest.
    byName.delete(name)
    byName.set(name, kinds)
    byService.set(service, kinds)
    for (const oldest of byName.keys()) {
      if (byName.size <= mostServices) break
      byName.delete(oldest)
    }
    return kinds
  }
  return {
    take({ healthy, tookMs }, watchers) {
      const seconds = tookMs / 1000
      let bucket = 0
      while (bucket < durationBounds.length && seconds > (durationBounds[bucket] ?? 0)) bucket += 1
      let before: WantedService | undefined
      for (const { cluster, service, kind } of watchers) {
        // One probe of several servers of a service is one result.
        if (service === before) continue
        before = service
        const kinds = kindsOf(cluster, service)
        let tally = kinds.get(kind)
        if (tally === undefined) kinds.set(kind, (tally = emptyTally(cluster, service.name, kind)))
        if (healthy) tally.passed += 1
        else tally.failed += 1
        tally.seconds += seconds
        tally.buckets[bucket] = (tally.buckets[bucket] ?? 0) + 1
      }
    },
    of: (cluster, service) => [...(byName.get(`${cluster}/${service}`)?.values() ?? [])],
  }
}

function emptyTally(cluster: string, service: string, kind: ProbeKind): Tally {
  const buckets = new Float64Array(durationBounds.length + 1)
  return { cluster, service, kind, passed: 0, failed: 0, seconds: 0, buckets }
}
