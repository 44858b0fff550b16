/**
 * What Prometheus asks for, as text, bit by bit: a hundred thousand servers are a hundred megabytes, and others are to be
 * heard meanwhile. Values are those of the moment; all samples of a family stand together, as the format wants it.
 */
import { setImmediate as turn } from 'node:timers/promises'
import type { CallOptions, ServerStatus, ServiceStatus } from '../../director/control.ts'
import type { Director } from '../../director/director.ts'
import type { Health } from '../../director/states.ts'
import { realServerKey, serviceKey } from '../../lvs/service.ts'
import { durationBounds, type Tally } from './check-tally.ts'
import { type Family, families } from './families.ts'
import type { Meter } from './meter.ts'
import { headerText, labelList } from './text.ts'
import type { Counts, Totals } from './totals.ts'

/** Others have their turn after so long. */
const sliceMs = 5
/** Looking at the clock costs more than a row. */
const rowsAtOnce = 64
const pieceLength = 64 * 1024

export type Scrape = (options: CallOptions) => AsyncIterable<string>

type ServiceRow = {
  /** Without braces. */
  readonly labels: string
  readonly status: Pick<ServiceStatus, 'state'>
  readonly servers: Readonly<Record<Health, number>>
  readonly active: number
  readonly inactive: number
  readonly counts: Counts
  readonly tallies: readonly Tally[]
}
type ServerRow = { readonly labels: string; readonly status: Measured; readonly counts: Counts }

type Measured = Pick<
  ServerStatus,
  'health' | 'drained' | 'weight' | 'wantedWeight' | 'active' | 'inactive' | 'certificateDays' | 'connectFailures'
>

type Rows = { readonly services: ServiceRow[]; readonly servers: ServerRow[] }

/** A value, or lines of its own; undefined: no sample. */
type Sampled<Row> = {
  readonly family: Family
  readonly sample: (
    row: Row,
  ) => number | undefined | readonly (readonly [more: string, value: number, suffix?: string])[]
}

export async function* scrape(
  director: Pick<Director, 'measure'>,
  meter: Meter,
  options: CallOptions,
): AsyncGenerator<string> {
  const pause = slices(options.signal)
  const measures = await director.measure(options)
  yield meter.text(measures)
  const rows = await rowsOf(measures.services, meter, pause)
  yield* sampled(serviceSamples, rows.services, pause)
  yield* sampled(serverSamples, rows.servers, pause)
  yield await meter.processText()
}

type Pause = () => Promise<void> | undefined

/** Resolves when others have had their turn; undefined while it is ours. */
function slices(signal: AbortSignal): Pause {
  let begun = performance.now()
  return () => {
    signal.throwIfAborted()
    if (performance.now() - begun < sliceMs) return undefined
    return turn().then(() => void (begun = performance.now()))
  }
}

async function rowsOf(statuses: Iterable<ServiceStatus>, { totals, checks }: Meter, pause: Pause): Promise<Rows> {
  const rows: Rows = { services: [], servers: [] }
  totals.begin()
  for (const status of statuses) {
    addRows(rows, status, totals, checks.of(status.cluster, status.name))
    await pause()
  }
  return rows
}

function addRows(rows: Rows, status: ServiceStatus, totals: Totals, tallies: readonly Tally[]): void {
  const { cluster, name, service, servers } = status
  const [key, known] = [serviceKey(service.id), `${cluster ?? ''}/${name}`]
  const own = labelList({ cluster, service: name })
  const healths: Record<Health, number> = { healthy: 0, unhealthy: 0, unknown: 0, unchecked: 0, maintenance: 0 }
  let [active, inactive] = [0, 0]
  const counts = totals.service(key, known, status.counters)
  for (const server of servers) {
    const at = realServerKey(server)
    const { health, connectFailures = 0, guest } = server
    healths[health] += 1
    active += server.active
    inactive += server.inactive
    rows.servers.push({
      labels: `${own},${labelList({ server: at, guest })}`,
      status: server,
      counts: totals.server(key, known, at, server.counters, connectFailures),
    })
  }
  rows.services.push({ labels: own, status, servers: healths, active, inactive, counts, tallies })
}

async function* sampled<Row extends { readonly labels: string }>(
  families: readonly Sampled<Row>[],
  rows: readonly Row[],
  pause: Pause,
): AsyncGenerator<string> {
  for (const { family, sample } of families) {
    const { name } = family
    let text = headerText(family)
    for (const [at, row] of rows.entries()) {
      const said = sample(row)
      if (typeof said === 'number') text += `${name}{${row.labels}} ${said}\n`
      else if (said !== undefined)
        for (const [more, value, suffix = ''] of said)
          text += `${name}${suffix}{${row.labels}${more === '' ? '' : ','}${more}} ${value}\n`
      if (at % rowsAtOnce === 0) await pause()
      if (text.length < pieceLength) continue
      yield text
      text = ''
    }
    yield text
  }
}

const serviceSamples: readonly Sampled<ServiceRow>[] = [
  {
    family: families.serviceState,
    sample: ({ status: { state } }) => (state === undefined ? undefined : [[`state="${state}"`, 1]]),
  },
  {
    family: families.serviceServers,
    sample: ({ servers }) => Object.entries(servers).map(([health, count]) => [`health="${health}"`, count] as const),
  },
  { family: families.serviceActive, sample: ({ active }) => active },
  { family: families.serviceInactive, sample: ({ inactive }) => inactive },
  { family: families.serviceConnections, sample: ({ counts }) => counts.connections },
  { family: families.servicePacketsIn, sample: ({ counts }) => counts.packetsIn },
  { family: families.servicePacketsOut, sample: ({ counts }) => counts.packetsOut },
  { family: families.serviceBytesIn, sample: ({ counts }) => counts.bytesIn },
  { family: families.serviceBytesOut, sample: ({ counts }) => counts.bytesOut },
  {
    family: families.checkResults,
    sample: ({ tallies }) =>
      tallies.flatMap(({ kind, passed, failed }) => [
        [`kind="${kind}",result="passed"`, passed] as const,
        [`kind="${kind}",result="failed"`, failed] as const,
      ]),
  },
  { family: families.checkDuration, sample: ({ tallies }) => tallies.flatMap(histogram) },
]

const serverSamples: readonly Sampled<ServerRow>[] = [
  {
    family: families.serverUp,
    sample: ({ status: { health } }) => (health === 'healthy' || health === 'unchecked' ? 1 : 0),
  },
  { family: families.serverHealth, sample: ({ status: { health } }) => [[`health="${health}"`, 1]] },
  { family: families.serverDrained, sample: ({ status: { drained } }) => Number(drained) },
  { family: families.serverWeight, sample: ({ status: { weight } }) => weight },
  { family: families.serverWantedWeight, sample: ({ status: { wantedWeight } }) => wantedWeight },
  { family: families.serverActive, sample: ({ status: { active } }) => active },
  { family: families.serverInactive, sample: ({ status: { inactive } }) => inactive },
  { family: families.serverConnections, sample: ({ counts }) => counts.connections },
  { family: families.serverBytesIn, sample: ({ counts }) => counts.bytesIn },
  { family: families.serverBytesOut, sample: ({ counts }) => counts.bytesOut },
  {
    family: families.serverFailures,
    sample: ({ status: { connectFailures }, counts: { failures } }) =>
      connectFailures === undefined && failures === 0 ? undefined : failures,
  },
  {
    family: families.serverCertificate,
    sample: ({ status: { certificateDays } }) => (certificateDays === undefined ? undefined : certificateDays * 86_400),
  },
]

/** Each bucket holds what took up to its bound, with all before. */
function histogram({ kind, buckets, seconds, passed, failed }: Tally): (readonly [string, number, string])[] {
  const own = `kind="${kind}"`
  let count = 0
  const lines = durationBounds.map((bound, at) => {
    count += buckets[at] ?? 0
    return [`${own},le="${bound}"`, count, '_bucket'] as const
  })
  const all = passed + failed
  return [...lines, [`${own},le="+Inf"`, all, '_bucket'], [own, seconds, '_sum'], [own, all, '_count']]
}
