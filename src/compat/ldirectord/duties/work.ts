/** What ldirectord does beside a director: follows its cluster's events, and logs, mails and writes down what they say. */
import { anySignal } from '../../../deadline.ts'
import { describeError } from '../../../errors.ts'
import { type FollowOptions, follow } from '../../following.ts'
import { wantsResults } from './narrate.ts'
import type { WorkPlan } from './plan.ts'
import { openTeller, type Teller, type WorkPorts } from './tell.ts'

export type WorkOptions = Pick<FollowOptions, 'director' | 'cluster' | 'regain'> & {
  readonly plan: WorkPlan
  readonly ports: WorkPorts
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

type Self = WorkOptions & {
  plan: WorkPlan
  readonly teller: Teller
  readonly closing: AbortSignal
}

/** Resolves once what the director says of the cluster now is known; to be called before its services are put. */
export async function openWork(options: WorkOptions): Promise<Work> {
  const { plan, cluster, ports } = options
  const { timing, now, log } = ports
  const closing = new AbortController()
  const teller = openTeller(plan, cluster, ports)
  const self: Self = { ...options, teller, closing: closing.signal }
  const following = await follow({
    ...options,
    timing,
    now,
    log,
    closing: closing.signal,
    wantsResults: () => wantsResults(self.plan),
    onStatus: ({ services }, isFirst) => teller.standing(services, isFirst),
    onEvent: (event) => teller.event(event),
  })
  const loops = Promise.all([following.ended, keepIntervals(self)])
  return {
    follow(next) {
      const isOther = wantsResults(self.plan) !== wantsResults(next)
      self.plan = next
      if (isOther) following.again()
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

async function keepIntervals(self: Self): Promise<void> {
  const { closing, ports, teller, onInterval } = self
  for (;;) {
    await ports.timing.sleep(self.plan.intervalMs, closing)
    if (closing.aborted) return
    await onInterval(closing).catch((error: unknown) => ports.log(describeError(error)))
    teller.tick()
  }
}
