/** Restarts guests whose checks keep failing, as their pools say; one at a time, so that no pool is restarted as a whole. */
import { describeError, isInfraError } from '../../errors.ts'
import type { Timing } from '../../health/timing.ts'
import { turns } from '../../turns.ts'
import type { CallOptions, ClusterServices, RestartPolicy, ServerReach } from '../control.ts'
import type { DirectorEvent } from '../events.ts'
import type { DrainTarget } from '../states.ts'
import { isDrained, type LookAt } from '../table.ts'
import { dueAt, type GuestHealth, type RestartEvent, type RestartState, step, wellGuest } from './machine.ts'

/** `passed`: nothing was done, for this reason. */
export type Restarted =
  | { readonly kind: 'restarted'; readonly reach: readonly ServerReach[] }
  | { readonly kind: 'passed'; readonly reason: string }

/** Ends a guest of this machine and starts it again. Throws InfraError. */
export type RestartGuest = (guest: string, cluster: string, options: CallOptions) => Promise<Restarted>

export type RestartsOptions = {
  readonly timing: Timing
  readonly restart: RestartGuest
  /** Told before the next look at it: where the guest is reached now. */
  readonly onRestarted: (guest: string, reach: readonly ServerReach[]) => Promise<void>
  readonly onEvent: (event: DirectorEvent) => void
}

/** What is seen of the clusters now. */
export type RestartSight = {
  readonly clusters: readonly ClusterServices[]
  readonly drains: readonly DrainTarget[]
  readonly look: LookAt
}

export type Restarts = AsyncDisposable & {
  see(sight: RestartSight): void
  /** A person has started it. */
  started(guest: string): void
  /** What is amiss with guests, in words. */
  problems(): readonly string[]
}

type Kept = { readonly cluster: string; readonly guest: string; policy: RestartPolicy; state: RestartState }

/** How long one restart may take. */
const restartMs = 120_000

export function openRestarts({ timing, restart, onRestarted, onEvent }: RestartsOptions): Restarts {
  const closing = new AbortController()
  const kept = new Map<string, Kept>()
  const order = turns()
  let sight: RestartSight | undefined
  let alarm: { readonly atMs: number; readonly stop: AbortController } | undefined

  const tell = (one: Kept, event: RestartEvent): void => {
    const { state, effect } = step(one.policy, one.state, event, timing.now())
    one.state = state
    const about = { cluster: one.cluster, guest: one.guest }
    if (effect === 'leave')
      onEvent({
        kind: 'guest.left',
        ...about,
        reason: `its checks fail, and ${state.restarts.length} restarts did not help`,
      })
    if (effect === 'restart') void order.take(() => carryOut(one))
  }
  const carryOut = async (one: Kept): Promise<void> => {
    if (closing.signal.aborted) return
    const about = { cluster: one.cluster, guest: one.guest }
    const attempt = one.state.restarts.length + 1
    onEvent({ kind: 'guest.restarting', ...about, attempt, limit: one.policy.limit })
    try {
      const signal = AbortSignal.any([closing.signal, AbortSignal.timeout(restartMs)])
      const done = await restart(one.guest, one.cluster, { signal })
      if (done.kind === 'restarted') await onRestarted(one.guest, done.reach)
      onEvent({ kind: 'guest.restarted', ...about, ...(done.kind === 'passed' ? { passed: done.reason } : {}) })
      tell(one, { kind: 'ended', how: done.kind })
    } catch (error) {
      if (!isInfraError(error)) throw error
      if (closing.signal.aborted) return
      onEvent({ kind: 'guest.failed', ...about, reason: describeError(error) })
      tell(one, { kind: 'ended', how: 'failed' })
    }
    goOn()
  }
  /** What is sick now, also when it fell sick while nobody was to look. */
  const lookAtAll = ({ clusters, drains, look }: RestartSight): void => {
    const wanted = policiesOf(clusters)
    for (const key of kept.keys()) if (!wanted.has(key)) kept.delete(key)
    if (wanted.size === 0) return
    const health = healthOfGuests(clusters, drains, look)
    for (const [key, { cluster, guest, policy }] of wanted) {
      const one = kept.get(key) ?? { cluster, guest, policy, state: wellGuest }
      one.policy = policy
      kept.set(key, one)
      tell(one, { kind: 'seen', health: health.get(key) ?? 'out' })
    }
  }
  const goOn = (): void => {
    if (sight !== undefined) lookAtAll(sight)
    ring()
  }
  /** Once for the guest that is due first. */
  const ring = (): void => {
    const nowMs = timing.now()
    for (const one of kept.values()) tell(one, { kind: 'tick' })
    let nextMs: number | undefined
    for (const { policy, state } of kept.values()) {
      const dueMs = dueAt(policy, state, nowMs)
      if (dueMs !== undefined && (nextMs === undefined || dueMs < nextMs)) nextMs = dueMs
    }
    if (nextMs === alarm?.atMs) return
    alarm?.stop.abort()
    alarm = undefined
    if (nextMs === undefined || closing.signal.aborted) return
    const stop = new AbortController()
    alarm = { atMs: nextMs, stop }
    void timing.sleep(Math.max(1, nextMs - nowMs), stop.signal).then(() => {
      if (stop.signal.aborted) return
      alarm = undefined
      ring()
    })
  }
  return {
    see(now) {
      sight = now
      goOn()
    },
    started(guest) {
      for (const one of kept.values()) if (one.guest === guest) tell(one, { kind: 'started' })
      goOn()
    },
    problems: () => [...kept.values()].flatMap((one) => wordsOf(one, timing.now())),
    async [Symbol.asyncDispose]() {
      closing.abort()
      alarm?.stop.abort()
      await order.idle()
    },
  }
}

function wordsOf({ guest, policy, state }: Kept, nowMs: number): string[] {
  const times = `${state.restarts.length + 1} of ${policy.limit}`
  switch (state.phase) {
    case 'well':
      return []
    case 'restarting':
      return [`${guest} is restarted, as its checks fail (${times})`]
    case 'left':
      return [`${guest} is left to people: its checks fail, and ${state.restarts.length} restarts did not help`]
    case 'sick': {
      const seconds = Math.max(0, Math.ceil(((dueAt(policy, state, nowMs) ?? nowMs) - nowMs) / 1000))
      const isLast = state.restarts.length >= policy.limit
      return [
        `${guest}: its checks fail; ${isLast ? 'it is left to people' : `it is restarted (${times})`} in ${seconds}s`,
      ]
    }
  }
}

const keyOf = (cluster: string, guest: string): string => `${cluster}/${guest}`

function policiesOf(clusters: readonly ClusterServices[]): Map<string, Omit<Kept, 'state'>> {
  return new Map(
    clusters.flatMap(({ cluster, guests = [] }) =>
      guests.flatMap(({ guests: names, restart: policy }) =>
        policy === undefined ? [] : names.map((guest) => [keyOf(cluster, guest), { cluster, guest, policy }] as const),
      ),
    ),
  )
}

/** Of all servers of a guest the word that counts most: out of service on purpose, sick, not known yet, well. */
const gravity: readonly GuestHealth[] = ['well', 'unsure', 'sick', 'out']

function healthOfGuests(
  clusters: readonly ClusterServices[],
  drains: readonly DrainTarget[],
  look: LookAt,
): Map<string, GuestHealth> {
  const found = new Map<string, GuestHealth>()
  for (const { cluster, services, guests } of clusters) {
    if (guests === undefined) continue
    for (const service of services)
      for (const server of service.servers) {
        if (server.guest === undefined) continue
        const key = keyOf(cluster, server.guest)
        const seen = isDrained(drains, server) ? 'out' : healthWord[look(cluster, service, server).health]
        const before = found.get(key)
        if (before === undefined || gravity.indexOf(seen) > gravity.indexOf(before)) found.set(key, seen)
      }
  }
  return found
}

const healthWord = {
  healthy: 'well',
  unchecked: 'well',
  unknown: 'unsure',
  unhealthy: 'sick',
  maintenance: 'out',
} as const
