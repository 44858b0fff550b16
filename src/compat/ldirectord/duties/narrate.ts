/** What happens in a director, as ldirectord's log tells it: events in, lines and alerts out. No I/O. */
import type { DirectorStatus } from '../../../director/control.ts'
import type { DirectorEvent } from '../../../director/events.ts'
import type { Health } from '../../../director/states.ts'
import { realServerKey } from '../../../lvs/service.ts'
import type { FollowedService, WorkPlan } from './plan.ts'
import { isSick, type ServerEvent, type ServerSaid, type ServerStanding, serverStep } from './server-step.ts'

export type Alert = {
  /** `down`: repeated until another word about this server comes; `quiet`: no mail, only an end of the repeats. */
  readonly kind: 'up' | 'down' | 'other' | 'quiet'
  /** `10.9.0.1:80`, as the line has it. */
  readonly server: string
  readonly service: FollowedService
}
export type Said = { readonly message: string; readonly alert?: Alert }

export type Narrator = {
  /** Of these services from now on; those of before are still known by their names while they go. */
  follow(plan: WorkPlan): void
  /** From here on what goes is said to go with a stop. */
  stop(): void
  event(event: DirectorEvent): readonly Said[]
  /** What the director says of itself, where events were missed: what differs is said, or (`isFirst`) only what is wrong. */
  standing(services: DirectorStatus['services'], cluster: string, isFirst: boolean): readonly Said[]
  /** Whether every server's first check is over and the table has followed. */
  isSettled(): boolean
}

type Service = {
  readonly followed: FollowedService
  isThere: boolean
  readonly servers: Map<string, ServerStanding>
}

const blank: ServerStanding = { weight: undefined, health: 'unknown', isDown: false }

export function narrator(first: WorkPlan): Narrator {
  let services = new Map<string, Service>()
  let former = new Map<string, Service>()
  let tag: 'start' | 'stop' = 'start'

  const follow = (plan: WorkPlan): void => {
    former = services
    services = new Map(
      [...plan.services].map(([name, followed]) => {
        const before = former.get(name)
        const servers = new Map(before?.servers)
        for (const [key, { isChecked }] of followed.servers) {
          const health: Health = isChecked ? 'unknown' : 'unchecked'
          if (!servers.has(key)) servers.set(key, { ...blank, health })
        }
        return [name, { followed, isThere: before?.isThere ?? false, servers }]
      }),
    )
  }
  follow(first)

  const stepServer = (service: Service, key: string, event: ServerEvent): readonly Said[] => {
    const { followed, servers } = service
    const server = followed.servers.get(key)
    const isFallback = followed.fallback === key
    const standing = servers.get(key) ?? blank
    // Of a service that is still to come nothing is said yet.
    if (event.kind === 'health' && !service.isThere) {
      servers.set(key, { ...standing, health: event.to })
      return []
    }
    const step = serverStep(standing, event, { weight: server?.weight ?? 1, isQuiescent: followed.isQuiescent })
    const isGone = event.kind === 'weight' && event.to === undefined
    if (isGone && server === undefined) servers.delete(key)
    else servers.set(key, step.standing)
    if (isFallback) return event.kind === 'weight' ? fallbackSaid(followed, key, standing.weight, event.to) : []
    if (server === undefined) return isGone ? [purged(followed, key, tag)] : []
    return step.said.flatMap((said) => lineOf(followed, key, server.shown, said))
  }

  const serviceEvent = (name: string, kind: 'service.added' | 'service.changed' | 'service.removed'): Said[] => {
    const service = services.get(name) ?? former.get(name)
    if (service === undefined) return []
    const { shown } = service.followed
    if (kind === 'service.changed') return [{ message: `Changed virtual server: ${shown}` }]
    const wasThere = service.isThere
    service.isThere = kind === 'service.added'
    if (service.isThere) {
      const sick = [...service.servers].filter(([, { health }]) => isSick(health))
      const said = sick.flatMap(([key, { health }]) => stepServer(service, key, { kind: 'health', to: health }))
      return wasThere ? said : [{ message: `Added virtual server: ${shown}` }, ...said]
    }
    const gone = [...service.servers].filter(([, { weight }]) => weight !== undefined)
    for (const [key] of gone) service.servers.set(key, blank)
    return [
      ...gone.map(([key]) => purged(service.followed, key, tag)),
      { message: `Purged virtual server (${tag}): ${shown}` },
    ]
  }

  return {
    follow,
    stop: () => void (tag = 'stop'),
    isSettled: () => [...services.values()].every(isServiceSettled),
    event(event) {
      switch (event.kind) {
        case 'service.added':
        case 'service.changed':
        case 'service.removed':
          return serviceEvent(event.service, event.kind)
        case 'server.added':
        case 'server.changed':
        case 'server.removed':
        case 'server.health': {
          const service = services.get(event.service) ?? former.get(event.service)
          if (service === undefined) return []
          const step: ServerEvent =
            event.kind === 'server.health' ? { kind: 'health', to: event.to } : { kind: 'weight', to: event.to }
          return stepServer(service, event.server, step)
        }
        default:
          return otherLines(event, (name) => services.get(name)?.followed)
      }
    },
    standing(statuses, cluster, isFirst) {
      const said: Said[] = []
      for (const status of statuses) {
        const service = status.cluster === cluster ? services.get(status.name) : undefined
        if (service === undefined) continue
        if (isFirst) service.isThere = true
        else said.push(...serviceEvent(status.name, 'service.added'))
        for (const { address, port, weight, health } of status.servers) {
          const key = realServerKey({ address, port })
          if (isFirst) service.servers.set(key, { weight, health: 'unknown', isDown: false })
          said.push(...stepServer(service, key, { kind: 'health', to: health }))
          if (!isFirst) said.push(...stepServer(service, key, { kind: 'weight', to: weight }))
        }
      }
      return said
    },
  }
}

/** Of what does not change the table. */
function otherLines(event: DirectorEvent, followedOf: (name: string) => FollowedService | undefined): Said[] {
  switch (event.kind) {
    case 'server.wavered':
    case 'server.steadied': {
      const followed = followedOf(event.service)
      const shown = followed?.servers.get(event.server)?.shown
      if (followed === undefined || shown === undefined || event.health !== 'healthy') return []
      return [{ message: event.kind === 'server.steadied' ? reset(followed, shown) : soft(followed, shown, event) }]
    }
    case 'command.ran':
      return event.failure === undefined ? [] : [{ message: `system(${event.command}) failed: ${event.failure}` }]
    case 'engine.failed':
      return [{ message: `The table could not be brought to what is wanted, trying again: ${event.reason}` }]
    case 'engine.recovered':
      return [{ message: 'The table is as wanted again' }]
    case 'events.lost':
      return [{ message: `${event.lost} events of the director were missed: ${event.reason}` }]
    default:
      return []
  }
}

function isServiceSettled({ followed, servers }: Service): boolean {
  return [...followed.servers].every(([key, { weight: wanted }]) => {
    const { health, weight } = servers.get(key) ?? blank
    if (health === 'unknown') return false
    return isSick(health) || (weight !== undefined && (weight > 0 || wanted === 0))
  })
}

function lineOf(service: FollowedService, key: string, shown: string, { verb, weight, alert }: ServerSaid): Said[] {
  if (verb === 'Resetting') return [{ message: reset(service, shown), ...alertOf(alert, service, key) }]
  // What goes out is named as it stands in the table, with its own port after that.
  const isOut = verb === 'Deleted' || verb === 'Quiescent'
  const place = isOut ? (key === shown ? key : `${key} mapped from ${shown}`) : shown
  const set = weight === undefined ? '' : ` (Weight set to ${weight})`
  return [{ message: `${verb} real server: ${place} (${service.shown})${set}`, ...alertOf(alert, service, key) }]
}

const alertOf = (kind: Alert['kind'] | undefined, service: FollowedService, server: string): { alert?: Alert } =>
  kind === undefined ? {} : { alert: { kind, server, service } }

function fallbackSaid(service: FollowedService, key: string, from: number | undefined, to: number | undefined): Said[] {
  if (from === to) return []
  const message =
    to === undefined
      ? `Deleted fallback server: ${key} (${service.shown})`
      : `${from === undefined ? 'Added' : 'Restored'} fallback server: ${key} (${service.shown}) (Weight set to ${to})`
  return [{ message, ...alertOf('other', service, key) }]
}

function purged(service: FollowedService, key: string, tag: string): Said {
  return { message: `Purged real server (${tag}): ${key} (${service.shown})`, ...alertOf('other', service, key) }
}

const reset = (service: FollowedService, shown: string): string =>
  `Resetting soft failure count: ${shown} (${service.id})`

const soft = (
  service: FollowedService,
  shown: string,
  { count, needed }: { readonly count: number; readonly needed: number },
): string => `Soft failure real server: ${shown} (${service.id}) failure ${count}/${needed}`

/** Whether any of the cluster's services writes results of checks down. */
export function wantsResults({ services }: WorkPlan): boolean {
  return [...services.values()].some(({ monitorFile }) => monitorFile !== undefined)
}
