/** Looks after the servers of what is wanted: their checks, their maintenance, their slow starts; and says what it sees. */

import { sameData } from '../difference.ts'
import type { ServiceSnapshot } from '../engines/engine.ts'
import type { Probe, ProbeReport, ProbeSpec } from '../health/check.ts'
import { type Checker, openChecker } from '../health/checker.ts'
import type { CheckResult } from '../health/target.ts'
import type { Timing } from '../health/timing.ts'
import type { TraceRecord } from '../health/trace.ts'
import { realServerKey, serviceKey } from '../lvs/service.ts'
import { doubtEvents } from './check-events.ts'
import {
  aboutServer,
  checkTargets,
  healthEvents,
  healthOf,
  lookIn,
  type ProbeWatcher,
  servingIn,
  type Watcher,
  type Watchers,
  watchersOf,
} from './checks.ts'
import type { ClusterServices } from './control.ts'
import type { DirectorEvent } from './events.ts'
import { type MaintenanceSource, openMaintenanceWatch } from './maintenance-watch.ts'
import type { Intent } from './schemas.ts'
import { type LookAt, type Table, wantedTable } from './table.ts'

export type LookoutOptions = {
  readonly timing: Timing
  readonly onEvent: (event: DirectorEvent) => void
  readonly openProbe?: (spec: ProbeSpec) => Probe
  /** Told all that the machines of the checks are told. */
  readonly onTrace?: (record: TraceRecord) => void
  readonly maintenance: MaintenanceSource
  /** Called with every result of every check, and the servers it speaks for. */
  readonly onResult?: (result: CheckResult, watchers: readonly ProbeWatcher[]) => void
  /** Called when the table may have become another. */
  readonly onChange: () => void
  /** Whether the engine can limit a server's connections. */
  readonly thresholds: boolean
}

export type Lookout = AsyncDisposable & {
  readonly checker: Checker
  readonly look: LookAt
  /** Before these become what is wanted: reads the maintenance directories that are new here. */
  follow(clusters: readonly ClusterServices[]): Promise<void>
  /** What is to be looked after from now on, and the table that follows. `anew`: servers that must prove themselves again. */
  table(intent: Intent, standing: readonly ServiceSnapshot[], anew: ReadonlySet<string>): Table
  problems(): readonly string[]
}

export function openLookout(options: LookoutOptions): Lookout {
  const { timing, onEvent, onChange } = options
  let watchers: Watchers = new Map()
  /** What servers have said of themselves last, by probe. */
  const reports = new Map<string, ProbeReport>()
  /** Those in maintenance of whom the checker does not know it. */
  let unprobed: ReadonlyMap<string, Watcher> = new Map()
  let last: Table | undefined
  let watched: { readonly clusters: readonly ClusterServices[]; readonly round: number } | undefined
  const alarm = openAlarm(timing, onChange)

  const maintenance = openMaintenanceWatch({
    source: options.maintenance,
    timing,
    onChange,
    onTrouble: (cluster, reason) => onEvent({ kind: 'maintenance.trouble', cluster, reason }),
  })
  const checker = openChecker({
    timing,
    ...(options.openProbe === undefined ? {} : { open: options.openProbe }),
    ...(options.onTrace === undefined ? {} : { onTrace: options.onTrace }),
    onTrouble: (reason) =>
      onEvent(reason === undefined ? { kind: 'checks.unhindered' } : { kind: 'checks.hindered', reason }),
    onChange: (change) => {
      for (const event of healthEvents(watchers.get(change.key) ?? [], change, checker, maintenance.holds))
        onEvent(event)
      onChange()
    },
    onResult: (result) => {
      options.onResult?.(result, watchers.get(result.key) ?? [])
      const { key, report } = result
      if (report === undefined || sameData(report, reports.get(key))) return
      reports.set(key, report)
      onChange()
    },
    onDoubt: (doubt) => {
      for (const event of doubtEvents(watchers.get(doubt.key) ?? [], doubt)) onEvent(event)
    },
  })
  const look = lookIn(checker, maintenance.holds)

  /** A large table is looked through for what to probe only when that may be something else than it was. */
  const watchAnew = (
    clusters: readonly ClusterServices[],
    standing: readonly ServiceSnapshot[],
    anew: ReadonlySet<string>,
  ): void => {
    const round = maintenance.round()
    if (watched?.clusters === clusters && watched.round === round && anew.size === 0) return
    if (watched?.clusters !== clusters) watchers = watchersOf(clusters)
    watched = { clusters, round }
    checker.watch(checkTargets(clusters, servingIn(standing, clusters), anew, maintenance.holds))
    for (const key of reports.keys()) if (!watchers.has(key)) reports.delete(key)
  }
  const noteMaintenance = (now: ReadonlyMap<string, Watcher>, table: Table): void => {
    for (const [key, watcher] of now) {
      if (unprobed.has(key)) continue
      const from = healthOf(checker, watcher.service, watcher.server)
      onEvent({ ...maintained, ...aboutServer(watcher), from, to: 'maintenance', reason: whyMaintained(watcher) })
    }
    for (const [key, watcher] of unprobed) {
      if (now.has(key) || !isWanted(watcher, table)) continue
      const to = look(watcher.cluster, watcher.service, watcher.server).health
      if (to !== 'maintenance')
        onEvent({ ...maintained, ...aboutServer(watcher), from: 'maintenance', to, reason: 'maintenance is over' })
    }
    unprobed = now
  }
  const whyMaintained = ({ cluster, server }: Watcher): string =>
    maintenance.holds(cluster, server) ? 'in maintenance' : 'its agent says maint'

  return {
    checker,
    look,
    follow: (clusters) => maintenance.follow(clusters),
    table({ clusters, drains }, standing, anew) {
      watchAnew(clusters, standing, anew)
      const found = new Map<string, Watcher>()
      const noted: LookAt = (cluster, service, server) => {
        const seen = look(cluster, service, server)
        if (seen.health === 'maintenance' && healthOf(checker, service, server) !== 'maintenance')
          found.set(`${serviceKey(service.service.id)} ${realServerKey(server)}`, { cluster, service, server })
        return seen
      }
      const { thresholds } = options
      const wasEnough = (key: string): boolean => last?.get(key)?.isEnough ?? servesAlready(clusters, standing, key)
      const table = wantedTable(clusters, { look: noted, drains, nowMs: timing.now(), wasEnough, thresholds })
      last = table
      noteMaintenance(found, table)
      alarm.set(nextStepMs(table))
      return table
    },
    problems: () => [...maintenance.problems(), ...[checker.problem() ?? []].flat()],
    async [Symbol.asyncDispose]() {
      await alarm[Symbol.asyncDispose]()
      await maintenance[Symbol.asyncDispose]()
      await checker[Symbol.asyncDispose]()
    },
  }
}

const maintained = { kind: 'server.health', after: 0 } as const

/** Whether it was taken over with servers that get connections, not its fallback alone. */
function servesAlready(
  clusters: readonly ClusterServices[],
  standing: readonly ServiceSnapshot[],
  key: string,
): boolean {
  const wanted = clusters.flatMap(({ services }) => services).find(({ service }) => serviceKey(service.id) === key)
  const found = standing.find(({ service }) => serviceKey(service.id) === key)
  if (wanted === undefined || found === undefined) return false
  const last = wanted.fallback === undefined ? undefined : realServerKey(wanted.fallback)
  return found.servers.some(({ server }) => server.weight > 0 && realServerKey(server) !== last)
}

function isWanted({ service, server }: Watcher, table: Table): boolean {
  return table.get(serviceKey(service.service.id))?.reasons.has(realServerKey(server)) === true
}

function nextStepMs(table: Table): number | undefined {
  let next: number | undefined
  for (const { nextMs } of table.values())
    if (nextMs !== undefined && (next === undefined || nextMs < next)) next = nextMs
  return next
}

type Alarm = AsyncDisposable & {
  /** When it is to ring, in place of when it was; undefined: not at all. */
  set(atMs: number | undefined): void
}

function openAlarm(timing: Timing, onRing: () => void): Alarm {
  let current: { readonly atMs: number; readonly stop: AbortController; readonly done: Promise<void> } | undefined
  const ring = async (atMs: number, stop: AbortController): Promise<void> => {
    // Never at once: a clock of fractions may stand a moment before the time it was woken for.
    await timing.sleep(Math.max(1, atMs - timing.now()), stop.signal)
    if (stop.signal.aborted) return
    current = undefined
    onRing()
  }
  return {
    set(atMs) {
      if (atMs === current?.atMs) return
      current?.stop.abort()
      current = undefined
      if (atMs === undefined) return
      const stop = new AbortController()
      current = { atMs, stop, done: ring(atMs, stop) }
    },
    async [Symbol.asyncDispose]() {
      current?.stop.abort()
      await current?.done
    },
  }
}
