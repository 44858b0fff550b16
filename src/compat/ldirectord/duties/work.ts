/** What ldirectord does beside a director: follows its cluster's events, and logs, mails and writes down what they say. */
import { anySignal, within } from '../../../deadline.ts'
import type { DirectorControl, EventRecord } from '../../../director/control.ts'
import { describeError } from '../../../errors.ts'
import { wantsResults } from './narrate.ts'
import type { WorkPlan } from './plan.ts'
import { openTeller, type Teller, type WorkPorts } from './tell.ts'

export type WorkOptions = {
  readonly director: Pick<DirectorControl, 'status' | 'events'>
  readonly cluster: string
  readonly plan: WorkPlan
  readonly ports: WorkPorts
  /** After the events have ended: makes sure that there is a director with the cluster. */
  readonly regain: (signal: AbortSignal) => Promise<void>
  /** Once in each interval. */
  readonly onInterval: (signal: AbortSignal) => Promise<void>
}

export type Work = AsyncDisposable & {
  /** Another file: to be called before its services are put. */
  follow(plan: WorkPlan): void
  /** What goes from here on goes with a stop. */
  stop(): void
  /** Resolves when the change of the cluster that comes after `follow` or `stop` was told of, or will not be any more. */
  told(): Promise<void>
}

/** How long is waited for the last events. */
const toldMs = 3_000
const statusMs = 15_000
/** A stream that lasted so long begins the count of its failures anew. */
const steadyMs = 10_000
const mostWaitMs = 5_000

type Self = WorkOptions & {
  plan: WorkPlan
  readonly teller: Teller
  readonly closing: AbortSignal
  /** Ends the stream that is open: another is wanted. */
  stream: AbortController
  /** What was before we came is no news. */
  readonly since: string
  /** Which director it is, and the last that was heard of it. */
  life: string
  after: number
}

/** Resolves once what the director says of the cluster now is known; to be called before its services are put. */
export async function openWork(options: WorkOptions): Promise<Work> {
  const { plan, cluster, ports } = options
  const { timing, now } = ports
  const closing = new AbortController()
  const teller = openTeller(plan, cluster, ports)
  const start = { stream: new AbortController(), since: now().toISOString(), life: '', after: 0 }
  const self: Self = { ...options, ...start, teller, closing: closing.signal }
  self.life = await readStanding(self, true)
  const loops = Promise.all([followEvents(self), keepIntervals(self)])
  return {
    follow(next) {
      if (wantsResults(self.plan) !== wantsResults(next)) self.stream.abort()
      self.plan = next
      teller.follow(next)
    },
    stop: () => teller.stop(),
    async told() {
      if (teller.isTold()) return
      const limit = new AbortController()
      await new Promise<void>((resolve) => {
        teller.onTold(resolve)
        void timing.sleep(toldMs, anySignal(limit.signal, closing.signal)).then(resolve)
      })
      limit.abort()
    },
    async [Symbol.asyncDispose]() {
      closing.abort()
      await loops
    },
  }
}

/** Resolves to which director it is. */
async function readStanding({ director, teller, closing }: Self, isFirst: boolean): Promise<string> {
  const { services, startedAt, pid } = await director.status({ signal: within(closing, statusMs) })
  teller.standing(services, isFirst)
  return `${pid} ${startedAt}`
}

async function followEvents(self: Self): Promise<void> {
  const { closing, regain, ports } = self
  const { log, timing } = ports
  for (let failures = 0; !closing.aborted; ) {
    const begunMs = timing.now()
    try {
      if (failures > 0) {
        await regain(closing)
        const life = await readStanding(self, false)
        // Numbers begin anew with each director.
        if (life !== self.life) self.after = 0
        self.life = life
        log('The director is followed again')
      }
      await attend(self)
      if (self.stream.signal.aborted) self.stream = new AbortController()
      failures = 0
    } catch (error) {
      if (closing.aborted) return
      if (timing.now() - begunMs > steadyMs) failures = 0
      if (failures === 0) log(`The director is not heard any more: ${describeError(error)}`)
      await timing.sleep(Math.min(100 * 2 ** failures, mostWaitMs), closing)
      failures += 1
    }
  }
}

async function attend(self: Self): Promise<void> {
  const { director, cluster, closing, since, after } = self
  const signal = anySignal(closing, self.stream.signal)
  for await (const record of director.events({ signal, cluster, after, results: wantsResults(self.plan) })) {
    self.after = record.id
    if (record.at >= since) await take(self, record)
  }
}

async function take(self: Self, { event }: EventRecord): Promise<void> {
  self.teller.event(event)
  if (event.kind === 'events.lost' || event.kind === 'table.changed') await readStanding(self, false)
}

async function keepIntervals(self: Self): Promise<void> {
  const { closing, ports, teller, onInterval } = self
  for (;;) {
    await ports.timing.sleep(self.plan.intervalMs, closing)
    if (closing.aborted) return
    await onInterval(closing).catch((error: unknown) => ports.log(describeError(error)))
    teller.tick()
  }
}
