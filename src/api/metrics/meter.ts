/** Counts what a director does, for its metrics. */
import type { DirectorOptions, Measures } from '../../director/director.ts'
import { type DirectorEvent, eventKinds } from '../../director/events.ts'
import type { DeliveryResult } from '../../director/notify/notifier.ts'
import type { EngineReport } from '../../engines/engine.ts'
import { version } from '../../version.ts'
import { type CheckTally, openCheckTally } from './check-tally.ts'
import { families } from './families.ts'
import { familyText } from './text.ts'
import { openTotals, type Totals } from './totals.ts'

export type Meter = {
  readonly checks: CheckTally
  readonly totals: Totals
  readonly event: (event: DirectorEvent) => void
  readonly round: (isWell: boolean) => void
  readonly report: (kind: EngineReport['kind']) => void
  readonly tried: NonNullable<DirectorOptions['onTried']>
  /** Those of the process; counted from when they are asked for first, as what counts them is loaded then. */
  processText(): Promise<string>
  /** The families of the director itself, as text. */
  text(now: Pick<Measures, 'engine' | 'problems' | 'lateChecks' | 'sync'>): string
}

export type MeterOptions = { readonly restarts: number; readonly now: () => Date }

type Reloads = { taken: number; refused: number; at: number | undefined }

/** More names of clusters than these are not told apart: they come from outside. */
const mostClusters = 1000

export function openMeter({ restarts, now }: MeterOptions): Meter {
  const events = new Map<DirectorEvent['kind'], number>(eventKinds.map((kind) => [kind, 0]))
  events.delete('check.result')
  const reloads = new Map<string, Reloads>()
  const lost = new Map([['listener', 0], ['webhook', 0], ['command', 0]]) // biome-ignore format: one line
  const deliveries = new Map<string, readonly [labels: Record<string, string>, count: number]>()
  const reports = new Map<EngineReport['kind'], number>([['trouble', 0], ['well', 0], ['fault', 0]]) // biome-ignore format: one line
  const rounds = { all: 0, failed: 0 }
  const reloadsOf = (cluster: string): Reloads => {
    const name = reloads.has(cluster) || reloads.size < mostClusters ? cluster : ''
    const known = reloads.get(name) ?? { taken: 0, refused: 0, at: undefined }
    reloads.set(name, known)
    return known
  }
  const reloadSamples = () =>
    [...reloads].flatMap(([cluster, { taken, refused }]) => [
      [{ cluster, result: 'taken' }, taken] as const,
      [{ cluster, result: 'refused' }, refused] as const,
    ])
  let ofProcess: Promise<{ metrics(): Promise<string> }> | undefined
  return {
    checks: openCheckTally(),
    totals: openTotals(),
    event(event) {
      add(events, event.kind, 1)
      if (event.kind === 'events.lost') add(lost, lostBy(event.to), event.lost)
      if (event.kind === 'cluster.refused') reloadsOf(event.cluster).refused += 1
      if (event.kind !== 'cluster.put') return
      const own = reloadsOf(event.cluster)
      own.taken += 1
      own.at = now().getTime() / 1000
    },
    round(isWell) {
      rounds.all += 1
      if (!isWell) rounds.failed += 1
    },
    report: (kind) => add(reports, kind, 1),
    tried(cluster, sink, result: DeliveryResult) {
      const key = `${cluster} ${sink} ${result}`
      const known = deliveries.get(key) ?? [{ cluster, sink, result }, 0]
      deliveries.set(key, [known[0], known[1] + 1])
    },
    async processText() {
      ofProcess ??= import('./process.ts').then(({ openProcessMetrics }) => openProcessMetrics())
      // The format's own word; prom-client writes another.
      return (await (await ofProcess).metrics()).replace(/ Nan$/gm, ' NaN')
    },
    text: ({ engine, problems, lateChecks, sync }) =>
      [
        familyText(families.buildInfo, [[{ version, node: process.version, engine }, 1]]),
        familyText(families.restarts, [[{}, restarts]]),
        familyText(families.problems, [[{}, problems]]),
        familyText(families.reloads, reloadSamples()),
        familyText(
          families.reloadedAt,
          [...reloads].flatMap(([cluster, { at }]) => (at === undefined ? [] : [[{ cluster }, at] as const])),
        ),
        familyText(families.rounds, [[{}, rounds.all]]),
        familyText(families.roundFailures, [[{}, rounds.failed]]),
        familyText(
          families.engineReports,
          [...reports].map(([kind, count]) => [{ kind }, count]),
        ),
        familyText(
          families.events,
          [...events].map(([kind, count]) => [{ kind }, count]),
        ),
        familyText(
          families.eventsLost,
          [...lost].map(([to, count]) => [{ to }, count]),
        ),
        familyText(families.deliveries, [...deliveries.values()]),
        syncText(sync),
        familyText(families.lateChecks, [[{}, lateChecks]]),
      ].join(''),
  }
}

/** Each daemon's since it was started; the kernel's count nothing. */
function syncText(daemons: Measures['sync']): string {
  const counted = daemons.flatMap(({ daemon: { role }, counts }) => (counts === undefined ? [] : [{ role, ...counts }]))
  const backups = counted.filter(({ role }) => role === 'backup')
  const masters = counted.filter(({ role }) => role === 'master')
  const byReason = (of: (one: (typeof counted)[number]) => Readonly<Record<string, number>>, from: typeof counted) =>
    from.flatMap((one) => Object.entries(of(one)).map(([reason, count]) => [{ reason }, count] as const))
  return [
    familyText(
      families.syncDatagrams,
      counted.map(({ role, datagrams }) => [{ role }, datagrams] as const),
    ),
    familyText(
      families.syncRecords,
      counted.map(({ role, records }) => [{ role }, records] as const),
    ),
    familyText(
      families.syncLost,
      byReason(({ dropped, unsent }) => ({ dropped, unsent }), masters),
    ),
    familyText(
      families.syncRefused,
      byReason(({ refused }) => refused, backups),
    ),
    familyText(
      families.syncRecordsRefused,
      byReason(({ recordsRefused }) => recordsRefused, backups),
    ),
  ].join('')
}

function add<Key>(counts: Map<Key, number>, key: Key, more: number): void {
  counts.set(key, (counts.get(key) ?? 0) + more)
}

/** Not by name: many may come and go. */
function lostBy(to: string): string {
  return to.startsWith('webhook') ? 'webhook' : to.startsWith('command') ? 'command' : 'listener'
}
