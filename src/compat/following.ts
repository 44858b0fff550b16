/** Follows what a director tells of one cluster, for as long as it is wanted, also when the director ends and comes back. */
import { anySignal, within } from '../deadline.ts'
import type { DirectorControl, DirectorStatus } from '../director/control.ts'
import type { DirectorEvent } from '../director/events.ts'
import { describeError } from '../errors.ts'
import type { Timing } from '../health/timing.ts'

export type FollowOptions = {
  readonly director: Pick<DirectorControl, 'status' | 'events'>
  readonly cluster: string
  readonly timing: Pick<Timing, 'now' | 'sleep'>
  readonly now: () => Date
  readonly log: (message: string) => void
  /** Ends it. */
  readonly closing: AbortSignal
  /** Whether each result of each check is to be told, too. */
  readonly wantsResults: () => boolean
  /** What the director says now: at first, and whenever events were lost. */
  readonly onStatus: (status: DirectorStatus, isFirst: boolean) => void
  readonly onEvent: (event: DirectorEvent) => void
  /** After the events have ended: makes sure that there is a director with the cluster. */
  readonly regain: (signal: AbortSignal) => Promise<void>
}

export type Following = {
  /** Resolves after `closing`. */
  readonly ended: Promise<void>
  /** Asks for events anew: other ones are wanted. */
  again(): void
}

const statusMs = 15_000
/** A stream that lasted so long begins the count of its failures anew. */
const steadyMs = 10_000
const mostWaitMs = 5_000

type Self = FollowOptions & {
  /** Ends the stream that is open. */
  stream: AbortController
  /** What was before we came is no news. */
  readonly since: string
  /** Which director it is, and the last that was heard of it. */
  life: string
  after: number
}

/** Resolves once what the director says of the cluster now is known; to be called before its services are put. */
export async function follow(options: FollowOptions): Promise<Following> {
  const since = options.now().toISOString()
  const self: Self = { ...options, stream: new AbortController(), since, life: '', after: 0 }
  self.life = await readStatus(self, true)
  return { ended: followEvents(self), again: () => self.stream.abort() }
}

/** Resolves to which director it is. */
async function readStatus({ director, onStatus, closing }: Self, isFirst: boolean): Promise<string> {
  const status = await director.status({ signal: within(closing, statusMs) })
  onStatus(status, isFirst)
  return `${status.pid} ${status.startedAt}`
}

async function followEvents(self: Self): Promise<void> {
  const { closing, regain, log, timing } = self
  for (let failures = 0; !closing.aborted; ) {
    const begunMs = timing.now()
    try {
      if (failures > 0) {
        await regain(closing)
        const life = await readStatus(self, false)
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
  const { director, cluster, closing, since, after, onEvent } = self
  const signal = anySignal(closing, self.stream.signal)
  for await (const record of director.events({ signal, cluster, after, results: self.wantsResults() })) {
    self.after = record.id
    if (record.at < since) continue
    onEvent(record.event)
    if (record.event.kind === 'events.lost' || record.event.kind === 'table.changed') await readStatus(self, false)
  }
}
