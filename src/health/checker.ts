/** Runs the checks of many servers at their intervals, each by itself, and knows what they said. */
import { createHmac, randomBytes } from 'node:crypto'
import { setImmediate as turn } from 'node:timers/promises'
import { canonicalText } from '../difference.ts'
import { formatEndpoint } from '../lvs/service.ts'
import { openFileLimit } from '../os/open-files.ts'
import type { CheckSpec, Probe, ProbeSpec } from './check.ts'
import { openProbe } from './checks/registry.ts'
import type { Connector } from './connector.ts'
import { type LazyConnector, lazyConnector } from './connector-lazy.ts'
import { Lateness } from './lateness.ts'
import { Places } from './places.ts'
import { type Means, notProbed, openMeans, Runner, type RunnerWorld } from './runner.ts'
import { Schedule } from './schedule.ts'
import type { CheckerEvents, CheckTarget, CheckView } from './target.ts'
import type { Timing } from './timing.ts'

export interface Checker extends AsyncDisposable {
  /** The targets to probe from now on. One that stays goes on undisturbed; equal ones are probed once. */
  watch(targets: readonly CheckTarget[]): void
  view(target: CheckTarget): CheckView
  /** Probes once, now, beside the interval; its result counts like any other. */
  probeNow(target: CheckTarget): Promise<void>
  /** How many checks have begun late, ever. */
  lateChecks(): number
  /** Why checks come late or cannot run, while that is so. */
  problem(): string | undefined
}

export type CheckerOptions = CheckerEvents & {
  readonly timing: Timing
  readonly open?: (spec: ProbeSpec) => Probe
  /** For check `tcp` and for connects between probes; left out, the machine's own, unless `open` stands for all checks. */
  readonly connector?: Connector
  /**
   * Checks under way at once; the others wait for a place, in their order, which makes their interval longer, and is said.
   * Left out, a quarter of the files that this process may open, as its connections need most of them.
   */
  readonly concurrency?: number
  /** Called with why checks come late or cannot run when that begins, and without when it is over. */
  readonly onTrouble?: (trouble: string | undefined) => void
}

/** More would not make health known sooner, and has its price in memory. */
const mostAtOnce = 16_384
/** Each is a process. */
const mostCommands = 512

export function openChecker(options: CheckerOptions): Checker {
  const { timing } = options
  const runners = new Map<string, Runner>()
  // Probes that were given stand for connections, too.
  const own = options.open === undefined && options.connector === undefined ? lazyConnector() : undefined
  const world = openWorld(options, own)
  const end = (runner: Runner): void => {
    runners.delete(runner.key)
    runner.stop()
  }
  const begin = (key: string, target: CheckTarget): void => {
    const runner = new Runner(world, key, target)
    runners.set(key, runner)
    if (target.maintenance === true) runner.maintain(true)
    else runner.start()
  }
  return {
    watch(targets) {
      const wanted = new Map<string, CheckTarget>()
      for (const target of targets) {
        const key = targetKey(target)
        const other = wanted.get(key)
        wanted.set(key, other === undefined ? target : joined(other, target))
      }
      for (const [key, runner] of runners) if (!wanted.has(key) || wanted.get(key)?.start === 'anew') end(runner)
      for (const [key, target] of wanted) {
        const runner = runners.get(key)
        if (runner === undefined) begin(key, target)
        else runner.maintain(target.maintenance === true)
      }
    },
    view(target) {
      const runner = runners.get(targetKey(target))
      return runner?.view() ?? { health: 'unknown', detail: notProbed, sinceMs: timing.now(), recovered: false }
    },
    async probeNow(target) {
      await runners.get(targetKey(target))?.probeNow()
    },
    lateChecks: () => world.lateness.late(),
    problem: () => world.lateness.trouble(),
    async [Symbol.asyncDispose]() {
      for (const runner of runners.values()) end(runner)
      await world.schedule[Symbol.asyncDispose]()
      // Probes hear that they are to end, and close what they have opened.
      await turn()
      own?.[Symbol.dispose]()
    },
  }
}

function openWorld(options: CheckerOptions, own: LazyConnector | undefined): RunnerWorld {
  const { timing, open = openProbe, connector = own } = options
  const limit = options.concurrency ?? Math.max(16, Math.min(mostAtOnce, Math.floor(openFileLimit() / 4)))
  const schedule = new Schedule(timing)
  const places = { sockets: new Places(schedule, limit), commands: new Places(schedule, Math.min(limit, mostCommands)) }
  const lateness = new Lateness({
    now: timing.now,
    places: Object.values(places),
    onTrouble: (trouble) => options.onTrouble?.(trouble),
  })
  let isLoaded = own === undefined
  const meansOf = ({ check }: CheckTarget): Means => {
    const means = openMeans(check, open, connector)
    if (own !== undefined && !isLoaded && (means.probe === own || means.connect === own)) {
      isLoaded = true
      // Thousands that begin meanwhile would each cost a socket of Node's, twice as much.
      places.sockets.hold(own.load())
    }
    return means
  }
  return { timing, schedule, places, lateness, events: options, meansOf }
}

/** What two who share a probe want of it. */
function joined(one: CheckTarget, other: CheckTarget): CheckTarget {
  const start = other.start === 'anew' ? other : one
  return one.maintenance === true || other.maintenance === true ? { ...start, maintenance: true } : start
}

/** What a check does, as a word of fixed length; kept, as one check is asked for by all its servers at every round. */
const checkWords = new WeakMap<CheckSpec, string>()
/** Keys are told to others and traced, and what a check does may hold passwords. */
const salt = randomBytes(16)

/** Services that check the same server in the same way share one probe. Its place is in the endpoint. */
export function targetKey({ check, endpoint }: Pick<CheckTarget, 'check' | 'endpoint'>): string {
  let word = checkWords.get(check)
  if (word === undefined) {
    const { address: _address, port: _port, ...rest } = check
    word = `${check.probe.kind} ${createHmac('sha256', salt).update(canonicalText(rest)).digest('hex').slice(0, 8)}`
    checkWords.set(check, word)
  }
  return `${formatEndpoint(endpoint)} ${word}`
}
