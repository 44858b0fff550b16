/** What happens in a director, as data: one event, one line of its log, one word to whoever wants to know. */
import type { SettingsChange } from '../lvs/settings.ts'
import type { VrrpEvent } from '../vrrp/status.ts'
import type { DrainTarget, Health, ServiceState } from './states.ts'

/** A server as a service has it; `cluster` is undefined for what was made by hand. */
type AboutServer = {
  readonly cluster: string | undefined
  readonly service: string
  readonly server: string
  readonly guest: string | undefined
}

type AboutGuest = { readonly cluster: string; readonly guest: string }

type AboutService = Pick<AboutServer, 'cluster' | 'service'>

export type DirectorEvent =
  /** A check has changed its mind, or maintenance began or ended. `after`: for how many results it had been `from`. */
  | (AboutServer & {
      readonly kind: 'server.health'
      readonly from: Health
      readonly to: Health
      /** What the check said. */
      readonly reason: string
      readonly after: number
    })
  /** Results that contradict a server's health, not enough of them yet: the `count`th of `needed`. */
  | (AboutServer & {
      readonly kind: 'server.wavered'
      readonly health: Health
      readonly count: number
      readonly needed: number
      readonly reason: string
    })
  /** And then one that does not: it begins to count anew. */
  | (AboutServer & { readonly kind: 'server.steadied'; readonly health: Health })
  /** One result of one check: only for those who ask for them. */
  | (AboutServer & {
      readonly kind: 'check.result'
      readonly healthy: boolean
      readonly detail: string
      readonly tookMs: number
    })
  /** All checks of this director: they come late, or cannot run, for a reason of this machine's. */
  | { readonly kind: 'checks.hindered'; readonly reason: string }
  | { readonly kind: 'checks.unhindered' }
  /** Who takes a service's connections. */
  | (AboutService & {
      readonly kind: 'service.state'
      readonly from: ServiceState | 'absent'
      readonly to: ServiceState
    })
  /** What was done in the engine; `from` and `to` are weights, undefined where there is no such server. */
  | (Omit<AboutServer, 'guest'> & {
      readonly kind: 'server.added' | 'server.changed' | 'server.removed'
      readonly from: number | undefined
      readonly to: number | undefined
      readonly reason: string
    })
  | (AboutService & { readonly kind: 'service.added' | 'service.changed' | 'service.removed' })
  /** A command of the operator's was run because of what happened; `failure` says how it went wrong. */
  | (AboutService & {
      readonly kind: 'command.ran'
      readonly command: string
      readonly failure: string | undefined
    })
  /** Tried again until it works; only a new reason is said again. */
  | { readonly kind: 'engine.failed'; readonly service: string | undefined; readonly reason: string }
  | { readonly kind: 'engine.recovered'; readonly service: string | undefined; readonly failures: number }
  | { readonly kind: 'cluster.put' | 'cluster.removed'; readonly cluster: string; readonly services: number }
  /** A cluster that could not be put: nothing was changed. */
  | { readonly kind: 'cluster.refused'; readonly cluster: string; readonly reason: string }
  | { readonly kind: 'server.drained' | 'server.undrained'; readonly target: DrainTarget; readonly servers: number }
  /** By hand; `refused` of them were not made. */
  | { readonly kind: 'table.edited'; readonly edits: number; readonly refused: number }
  /** So much at once that each of it by itself would say nothing: what was done in the engine. */
  | { readonly kind: 'table.changed'; readonly changes: number }
  /** Settings of the engine as a whole. */
  | { readonly kind: 'settings.changed'; readonly settings: SettingsChange }
  | { readonly kind: 'guest.moved'; readonly guest: string; readonly servers: number }
  /** A guest whose checks keep failing is started anew, as its pool says: the `attempt`th time of `limit`. */
  | (AboutGuest & { readonly kind: 'guest.restarting'; readonly attempt: number; readonly limit: number })
  /** `passed`: why there was nothing to restart. */
  | (AboutGuest & { readonly kind: 'guest.restarted'; readonly passed?: string })
  | (AboutGuest & { readonly kind: 'guest.failed'; readonly reason: string })
  /** Restarts did not help: it is a person's now. */
  | (AboutGuest & { readonly kind: 'guest.left'; readonly reason: string })
  | { readonly kind: 'intent.trouble'; readonly reason: string }
  /** A maintenance directory cannot be read; only a new reason is said again. */
  | { readonly kind: 'maintenance.trouble'; readonly cluster: string; readonly reason: string }
  /** What virtual routers have become, and what is wrong between them. */
  | VrrpEvent
  /** Someone was not told of `lost` events, as he took them too slowly or not at all. */
  | { readonly kind: 'events.lost'; readonly to: string; readonly lost: number; readonly reason: string }

const kinds: Readonly<Record<DirectorEvent['kind'], true>> = {
  'server.health': true,
  'server.wavered': true,
  'server.steadied': true,
  'check.result': true,
  'checks.hindered': true,
  'checks.unhindered': true,
  'service.state': true,
  'server.added': true,
  'server.changed': true,
  'server.removed': true,
  'service.added': true,
  'service.changed': true,
  'service.removed': true,
  'command.ran': true,
  'engine.failed': true,
  'engine.recovered': true,
  'cluster.put': true,
  'cluster.removed': true,
  'cluster.refused': true,
  'server.drained': true,
  'server.undrained': true,
  'table.edited': true,
  'table.changed': true,
  'settings.changed': true,
  'guest.moved': true,
  'guest.restarting': true,
  'guest.restarted': true,
  'guest.failed': true,
  'guest.left': true,
  'intent.trouble': true,
  'maintenance.trouble': true,
  'vrrp.turned': true,
  'vrrp.trouble': true,
  'vrrp.priority': true,
  'vrrp.contested': true,
  'events.lost': true,
}

/** Every kind of event. */
export const eventKinds: readonly DirectorEvent['kind'][] = Object.keys(kinds) as DirectorEvent['kind'][]
