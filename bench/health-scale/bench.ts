/**
 * Checks of 10,000 servers, a connection each every 5 s: what they cost, and how soon a server that goes away is missed;
 * against HAProxy with the same servers. The servers are a process of their own.
 * `--servers 10000 --every 5000 --timeout 1000 --rounds 3 --seconds 15`.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import { parseArgs } from 'node:util'
import { openServers, portCount, type Servers, serversOf } from './servers.ts'
import { type Load, openSubject, type Subject, type SubjectName } from './subjects.ts'

const { values } = parseArgs({
  options: {
    servers: { type: 'string', default: '10000' },
    every: { type: 'string', default: '5000' },
    timeout: { type: 'string', default: '1000' },
    rounds: { type: 'string', default: '3' },
    seconds: { type: 'string', default: '15' },
    subjects: { type: 'string', default: 'baton,haproxy' },
  },
})
const load: Load = {
  servers: Number(values.servers),
  everyMs: Number(values.every),
  timeoutMs: Number(values.timeout),
}
const windowMs = Number(values.seconds) * 1000
/** Ports that are closed, one after the other: so many hundredths of the servers. */
const closedPorts = 20

/** Shares of one core; milliseconds; MiB. */
type Figures = {
  readonly share: number
  readonly silentShare: number
  readonly resident: number
  readonly closed: readonly number[]
  readonly silent: readonly number[]
}

async function measure(name: SubjectName): Promise<Figures> {
  await using servers = await openServers()
  await using subject = await openSubject(name, load)
  // Starting has its own cost, and the first checks of all come close together.
  await sleep(2 * load.everyMs)
  const share = await shareOf(subject)
  const resident = subject.residentMiB()
  if (subject.down.size > 0) throw new Error(`${name} misses ${subject.down.size} servers that are there`)
  const closed = await lagsOf(subject, closedPorts, (at) => servers.close(at, at + 1))
  await servers.open(0, closedPorts)
  await sleep(2 * load.everyMs)
  const silent = await silenceAll(servers, subject)
  const silentShare = await shareOf(subject)
  return { share, resident, closed, silent, silentShare }
}

async function shareOf(subject: Subject): Promise<number> {
  const before = subject.cpuMs()
  const begun = performance.now()
  await sleep(windowMs)
  return (subject.cpuMs() - before) / (performance.now() - begun)
}

/** How long after its port went away each server was missed; Infinity for one that was not. */
async function lagsOf(subject: Subject, ports: number, take: (at: number) => Promise<number>): Promise<number[]> {
  const since: number[] = []
  for (let at = 0; at < ports; at += 1) {
    since.push(await take(at))
    await sleep(load.everyMs / 13)
  }
  return await lagsSince(subject, since)
}

async function silenceAll(servers: Servers, subject: Subject): Promise<number[]> {
  const at = await servers.silence(0, portCount)
  return await lagsSince(subject, Array<number>(portCount).fill(at))
}

async function lagsSince(subject: Subject, since: readonly number[]): Promise<number[]> {
  await sleep(2 * (load.everyMs + load.timeoutMs))
  const gone = serversOf(load.servers).flatMap(({ address }, at) => {
    const began = since[at % portCount]
    return began === undefined ? [] : [{ address, began }]
  })
  return gone
    .map(({ address, began }) => (subject.down.get(address) ?? Number.POSITIVE_INFINITY) - began)
    .sort((a, b) => a - b)
}

const quantile = (sorted: readonly number[], share: number): number =>
  sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? Number.NaN
const median = (numbers: readonly number[]): number =>
  quantile(
    [...numbers].sort((a, b) => a - b),
    0.5,
  )

const rows: readonly { readonly label: string; readonly of: (figures: Figures) => number; readonly digits: number }[] =
  [
    { label: 'processor, % of one core', of: ({ share }) => share * 100, digits: 1 },
    { label: 'processor per check, µs', of: ({ share }) => (share * load.everyMs * 1000) / load.servers, digits: 1 },
    { label: 'processor while all are silent, % of one core', of: ({ silentShare }) => silentShare * 100, digits: 1 },
    { label: 'memory, MiB', of: ({ resident }) => resident, digits: 0 },
    { label: 'closed: missed after, median, ms', of: ({ closed }) => quantile(closed, 0.5), digits: 0 },
    { label: 'closed: missed after, 99 of 100, ms', of: ({ closed }) => quantile(closed, 0.99), digits: 0 },
    { label: 'silent: missed after, median, ms', of: ({ silent }) => quantile(silent, 0.5), digits: 0 },
    { label: 'silent: missed after, 99 of 100, ms', of: ({ silent }) => quantile(silent, 0.99), digits: 0 },
  ]

async function main(): Promise<void> {
  const names = values.subjects.split(',') as SubjectName[]
  const found = new Map<SubjectName, Figures[]>(names.map((name) => [name, []]))
  for (let round = 0; round < Number(values.rounds); round += 1)
    for (const name of names) found.get(name)?.push(await measure(name))
  console.log(
    `health: ${load.servers} servers, tcp every ${load.everyMs} ms, timeout ${load.timeoutMs} ms; ${values.rounds} alternating rounds, medians`,
  )
  console.log(
    `  ${''.padEnd(48)}${names.map((name) => name.padStart(10)).join('')}${names.length > 1 ? 'ratio'.padStart(10) : ''}`,
  )
  for (const { label, of, digits } of rows) {
    const [own = Number.NaN, peer] = names.map((name) => median((found.get(name) ?? []).map(of)))
    const cells = [own, ...(peer === undefined ? [] : [peer])].map((value) => value.toFixed(digits).padStart(10))
    const ratio = peer === undefined ? '' : `${(own / peer).toFixed(2)} ×`.padStart(10)
    console.log(`  ${label.padEnd(48)}${cells.join('')}${ratio}`)
  }
  const own = found.get('baton') ?? []
  const goals = [
    { name: 'a third of a core', met: median(own.map(({ share }) => share)) <= 1 / 3 },
    {
      name: 'interval and timeout',
      met: own.every(({ closed }) => quantile(closed, 0.99) < load.everyMs + load.timeoutMs),
    },
  ]
  const missed = goals.filter(({ met }) => !met).map(({ name }) => name)
  if (missed.length === 0) return
  console.log(`health: over ${missed.join(', and over ')}`)
  process.exitCode = 1
}

await main()
