/** Says, mails and writes down what a director's events mean, and knows what the daemon is at. */
import type { DirectorStatus } from '../../../director/control.ts'
import type { DirectorEvent } from '../../../director/events.ts'
import { describeError } from '../../../errors.ts'
import type { Timing } from '../../../health/timing.ts'
import { type AlertEvent, type Alerts, alertStep, type Mail, noAlerts } from './alerts.ts'
import { monitorLine } from './monitor-line.ts'
import { narrator, type Said } from './narrate.ts'
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

export type Teller = {
  event(event: DirectorEvent): void
  /** What the director says of itself: `isFirst` when we come, otherwise where events were missed. */
  standing(services: DirectorStatus['services'], isFirst: boolean): void
  /** Time has passed. */
  tick(): void
  follow(plan: WorkPlan): void
  stop(): void
  /** Whether the change of the cluster after `follow` or `stop` was told of; `onTold` is called when it is. */
  isTold(): boolean
  onTold(told: () => void): void
}

/** Longer than this the first checks do not take, as far as mails are concerned. */
const settledMs = 60_000

export function openTeller(first: WorkPlan, cluster: string, ports: WorkPorts): Teller {
  const { log, timing } = ports
  const tells = narrator(first)
  const writes = monitorWriter(ports)
  let plan = first
  let state: DaemonState = 'starting'
  let stateSinceMs = timing.now()
  let alerts: Alerts = noAlerts
  /** How often the cluster was put or removed, and how often it is to be. */
  let changes = 0
  let awaited = 1
  let onTold = (): void => {}

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
  return {
    event(event) {
      if (event.kind === 'check.result') return writes(plan, event, event.healthy, event.detail)
      if (event.kind === 'server.health' && event.to === 'maintenance')
        writes(plan, event, false, 'Server in maintenance')
      say(tells.event(event))
      if (event.kind === 'cluster.put' || event.kind === 'cluster.removed' || event.kind === 'cluster.refused') {
        changes += 1
        if (changes >= awaited) onTold()
      }
      settle()
    },
    standing: (services, isFirst) => say(tells.standing(services, cluster, isFirst)),
    tick() {
      settle()
      alert({ kind: 'time', atMs: timing.now() })
    },
    follow(next) {
      plan = next
      tells.follow(next)
      alert({ kind: 'plan', plan: next })
      if (state !== 'starting') enter('reloading')
    },
    stop() {
      tells.stop()
      enter('stopping')
    },
    isTold: () => changes >= awaited,
    onTold: (told) => void (onTold = told),
  }
}

type WriteResult = (
  plan: WorkPlan,
  about: { readonly service: string; readonly server: string },
  isUp: boolean,
  detail: string,
) => void

/** A file that cannot be written is said once, until it can be again. */
function monitorWriter({ log, append, now, pid }: WorkPorts): WriteResult {
  const unwritable = new Set<string>()
  return (plan, { service, server }, isUp, detail) => {
    const followed = plan.services.get(service)
    const identity = followed?.servers.get(server)?.identity
    const path = followed?.monitorFile
    if (path === undefined || identity === undefined) return
    try {
      append(path, monitorLine(identity, { isUp, detail }, { at: now(), pid }))
      unwritable.delete(path)
    } catch (error) {
      if (!unwritable.has(path)) log(`Error writing to monitorfile '${path}': ${describeError(error)}`)
      unwritable.add(path)
    }
  }
}
