/** What ldirectord does beside a director: follows its cluster's events, and logs, mails and writes down what they say. */
import { anySignal, within } from '../../../deadline.ts'
import type { DirectorControl, EventRecord } from '../../../director/control.ts'
import { describeError } from '../../../errors.ts'
import type { Timing } from '../../../health/timing.ts'
import { type AlertEvent, type Alerts, alertStep, type Mail, noAlerts } from './alerts.ts'
import { monitorLine } from './monitor-line.ts'
import { type Narrator, narrator, type Said, wantsResults } from './narrate.ts'
import type { DaemonState, WorkPlan } from './plan.ts'

export type WorkPorts = {
  readonly log: (message: string) => void
  /** Adds to a file. @throws Error of Node when it cannot. */
  readonly append: (path: string, text: string) => void
  /** Sends when it can; never throws. */
  readonly mail: (mail: Mail) => void
  readonly timing: Timing
  readonly now: () => Date
  readonly pid: number
  readonly hostName: string
}

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

/** Longer than this the first checks do not take, as far as mails are concerned. */
const settledMs = 60_000
/** How long is waited for the last events. */
const toldMs = 3_000
const statusMs = 15_000
/** A stream that lasted so long begins the count of its failures anew. */
const steadyMs = 10_000
const mostWaitMs = 5_000

/** Resolves once what the director says of the cluster now is known; to be called before its services are put. */
export async function openWork({
  director,
  cluster,
  plan: first,
  ports,
  regain,
  onInterval,
}: WorkOptions): Promise<Work> {
  const { log, timing, now } = ports
  const closing = new AbortController()
  /** Ends the stream that is open: another is wanted. */
  let stream = new AbortController()
  let plan = first
  let state: DaemonState = 'starting'
  let stateSinceMs = timing.now()
  let alerts: Alerts = noAlerts
  /** How often the cluster was put or removed, and how often it is to be. */
  let changes = 0
  let awaited = 1
  let onChange = (): void => {}
  const tells: Narrator = narrator(plan)
  const unwritable = new Set<string>()

  const enter = (next: DaemonState): void => {
    state = next
    stateSinceMs = timing.now()
    awaited = changes + 1
  }
  const settle = (): void => {
    const isNew = state === 'starting' || state === 'reloading'
    const isOver = changes >= awaited && tells.isSettled()
    if (isNew && (isOver || timing.now() - stateSinceMs > settledMs)) enter('running')
  }
  const alert = (event: AlertEvent): void => {
    const step = alertStep(alerts, event, { state, host: ports.hostName, from: plan.mailFrom })
    alerts = step.alerts
    for (const { log: line, mail } of step.mails) {
      log(line)
      ports.mail(mail)
    }
  }
  const say = (all: readonly Said[]): void => {
    for (const { message, alert: about } of all) {
      log(message)
      if (about !== undefined) alert({ kind: 'said', message, alert: about, atMs: timing.now() })
    }
  }
  const monitor = (service: string, server: string, isUp: boolean, detail: string): void => {
    const followed = plan.services.get(service)
    const identity = followed?.servers.get(server)?.identity
    const path = followed?.monitorFile
    if (path === undefined || identity === undefined) return
    try {
      ports.append(path, monitorLine(identity, { isUp, detail }, { at: now(), pid: ports.pid }))
      unwritable.delete(path)
    } catch (error) {
      if (!unwritable.has(path)) log(`Error writing to monitorfile '${path}': ${describeError(error)}`)
      unwritable.add(path)
    }
  }
  const standing = async (isFirst: boolean): Promise<string> => {
    const { services, startedAt, pid } = await director.status({ signal: within(closing.signal, statusMs) })
    say(tells.standing(services, cluster, isFirst))
    return `${pid} ${startedAt}`
  }
  const take = async ({ event }: EventRecord): Promise<void> => {
    if (event.kind === 'check.result') return monitor(event.service, event.server, event.healthy, event.detail)
    if (event.kind === 'server.health' && event.to === 'maintenance')
      monitor(event.service, event.server, false, 'Server in maintenance')
    say(tells.event(event))
    if (event.kind === 'events.lost' || event.kind === 'table.changed') await standing(false)
    if (event.kind === 'cluster.put' || event.kind === 'cluster.removed' || event.kind === 'cluster.refused') {
      changes += 1
      onChange()
    }
    settle()
  }

  const since = now().toISOString()
  let life = await standing(true)
  let after = 0
  const attend = async (): Promise<void> => {
    const signal = anySignal(closing.signal, stream.signal)
    for await (const record of director.events({ signal, cluster, after, results: wantsResults(plan) })) {
      // Numbers begin anew with each director; what was before we came is no news.
      after = record.id
      if (record.at >= since) await take(record)
    }
  }
  const followEvents = async (): Promise<void> => {
    for (let failures = 0; !closing.signal.aborted; ) {
      const begunMs = timing.now()
      try {
        if (failures > 0) {
          await regain(closing.signal)
          const next = await standing(false)
          if (next !== life) after = 0
          life = next
          log('The director is followed again')
        }
        await attend()
        if (stream.signal.aborted) stream = new AbortController()
        failures = 0
      } catch (error) {
        if (closing.signal.aborted) return
        if (timing.now() - begunMs > steadyMs) failures = 0
        if (failures === 0) log(`The director is not heard any more: ${describeError(error)}`)
        await timing.sleep(Math.min(100 * 2 ** failures, mostWaitMs), closing.signal)
        failures += 1
      }
    }
  }
  const intervals = async (): Promise<void> => {
    for (;;) {
      await timing.sleep(plan.intervalMs, closing.signal)
      if (closing.signal.aborted) return
      settle()
      await onInterval(closing.signal)
      alert({ kind: 'time', atMs: timing.now() })
    }
  }
  const loops = Promise.all([followEvents(), intervals()])
  return {
    follow(next) {
      if (wantsResults(plan) !== wantsResults(next)) stream.abort()
      plan = next
      tells.follow(next)
      alert({ kind: 'plan', plan: next })
      if (state !== 'starting') enter('reloading')
    },
    stop() {
      tells.stop()
      enter('stopping')
    },
    async told() {
      const limit = new AbortController()
      await new Promise<void>((resolve) => {
        onChange = () => {
          if (changes >= awaited) resolve()
        }
        onChange()
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
