/** What single results of checks are to those who ask for them, and to the log. Pure. */
import type { CheckResult, HealthDoubt } from '../health/target.ts'
import { realServerKey } from '../lvs/service.ts'
import type { Watcher } from './checks.ts'
import type { DirectorEvent } from './events.ts'

export function resultEvents(watchers: readonly Watcher[], result: CheckResult): DirectorEvent[] {
  const { healthy, detail, tookMs } = result
  return watchers.map((watcher) => ({ kind: 'check.result', ...about(watcher), healthy, detail, tookMs }))
}

export function doubtEvents(watchers: readonly Watcher[], doubt: HealthDoubt): DirectorEvent[] {
  const { health } = doubt
  return watchers.map((watcher): DirectorEvent => {
    if (doubt.kind === 'steadied') return { kind: 'server.steadied', ...about(watcher), health }
    const { count, needed, detail: reason } = doubt
    return { kind: 'server.wavered', ...about(watcher), health, count, needed, reason }
  })
}

function about({ cluster, service, server }: Watcher): {
  readonly cluster: string
  readonly service: string
  readonly server: string
  readonly guest: string | undefined
} {
  return { cluster, service: service.name, server: realServerKey(server), guest: server.guest }
}
