/** How a server stands by itself: what its checks, its own report and the operator make of its weight. Pure. */
import type { ProbeReport } from '../health/check.ts'
import type { RealServer } from '../lvs/service.ts'
import { greatestWeight } from './slow-start.ts'
import type { Health } from './states.ts'

/** What is known of a server now: of all its checks together. */
export type Seen = {
  readonly health: Health
  readonly report?: ProbeReport
  /** When its health became what it is, and whether it came back then. */
  readonly sinceMs?: number
  readonly recovered?: boolean
}

export type Standing = {
  /** Its share of new connections while all goes as it should. */
  readonly weight: number
  /** `out`: on purpose, by whose word ever; it counts neither as usable nor as missing. */
  readonly part: 'usable' | 'unasked' | 'failed' | 'out'
  /** Whether the service's `on-failure` says what becomes of it. */
  readonly isFailure: boolean
  readonly isDrain?: true
  readonly reason: string
}

/** By hand, or while its guest is away. */
export type Drain = 'hand' | 'start'

const drainWords: Readonly<Record<Drain, string>> = {
  hand: 'drained by hand',
  start: 'drained until its guest is started',
}

export function standingOf({ weight }: Pick<RealServer, 'weight'>, seen: Seen, drain: Drain | undefined): Standing {
  const works = seen.health === 'healthy' || seen.health === 'unchecked'
  // A drain is the operator's word: it keeps its server in the table whatever the check says.
  if (drain !== undefined) return { weight: 0, part: 'out', isFailure: false, isDrain: true, reason: drainWords[drain] }
  if (!works) {
    const part = seen.health === 'maintenance' ? 'out' : seen.health === 'unknown' ? 'unasked' : 'failed'
    const reason = seen.report?.wish === 'maint' ? 'its agent says maint' : reasonOf[seen.health]
    return { weight: 0, part: weight === 0 ? 'out' : part, isFailure: true, reason }
  }
  const own = seen.report === undefined ? weight : reportedWeight(weight, seen.report)
  const reason = (seen.report === undefined ? undefined : reportWords(seen.report)) ?? reasonOf[seen.health]
  return { weight: own, part: own === 0 ? 'out' : 'usable', isFailure: false, reason }
}

const reasonOf: Readonly<Record<Health, string>> = {
  healthy: 'its check passes',
  unchecked: 'wanted',
  unknown: 'not checked yet',
  unhealthy: 'its check fails',
  maintenance: 'in maintenance',
}

/** A weight of 0 in the file is the operator's word: no report lifts it. */
function reportedWeight(weight: number, { weight: said, wish }: ProbeReport): number {
  if (wish === 'drain' || weight === 0) return 0
  if (said === undefined) return weight
  if ('added' in said) return Math.min(Math.max(0, weight + said.added), greatestWeight)
  if ('absolute' in said) return Math.min(said.absolute, greatestWeight)
  if (said.percent === 0) return 0
  return Math.min(Math.max(1, Math.round((weight * said.percent) / 100)), greatestWeight)
}

/** undefined: it says nothing that would change anything. Percent are an agent's words, a weight is an exit code's. */
function reportWords({ weight, wish, maximumConnections }: ProbeReport): string | undefined {
  if (wish === 'drain') return 'its agent says drain'
  if (weight !== undefined) return reportedWords(weight)
  return maximumConnections === undefined ? undefined : `its agent says maxconn:${maximumConnections}`
}

function reportedWords(weight: NonNullable<ProbeReport['weight']>): string {
  if ('percent' in weight) return `its agent says ${weight.percent}%`
  return `its check says ${'added' in weight ? `${weight.added < 0 ? '' : '+'}${weight.added}` : weight.absolute}`
}

/** The smaller of both; 0 is no limit. */
export function limitOf(upperThreshold: number, { maximumConnections = 0 }: ProbeReport): number {
  if (maximumConnections === 0) return upperThreshold
  return upperThreshold === 0 ? maximumConnections : Math.min(upperThreshold, maximumConnections)
}

/** What several checks of one server have heard: the least weight, the gravest wish, the least limit. */
export function joinedReport(
  one: ProbeReport | undefined,
  other: ProbeReport | undefined,
  weight: number,
): ProbeReport | undefined {
  if (one === undefined || other === undefined) return one ?? other
  const heavier =
    reportedWeight(weight, { ...other, wish: 'ready' }) < reportedWeight(weight, { ...one, wish: 'ready' })
  const said = sumOf(one.weight, other.weight) ?? (heavier ? other : one).weight ?? (heavier ? one : other).weight
  const limit = limitOf(one.maximumConnections ?? 0, other)
  const wish = wishes.find((wish) => one.wish === wish || other.wish === wish)
  return {
    ...(said === undefined ? {} : { weight: said }),
    ...(wish === undefined ? {} : { wish }),
    ...(limit === 0 ? {} : { maximumConnections: limit }),
  }
}

type Said = ProbeReport['weight']

/** What is added by several is added together, also to a weight that was put in place of the service's. */
function sumOf(one: Said, other: Said): Said {
  if (one === undefined || other === undefined || 'percent' in one || 'percent' in other) return undefined
  const plus = (said: typeof one): number => ('added' in said ? said.added : said.absolute)
  if (!('added' in one) && !('added' in other)) return undefined
  const sum = plus(one) + plus(other)
  return 'added' in one && 'added' in other ? { added: sum } : { absolute: Math.max(0, sum) }
}

/** The gravest first. */
const wishes = ['maint', 'drain', 'ready'] as const
