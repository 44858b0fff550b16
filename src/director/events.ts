/** What happens in a director, as data: one event, one line of its log. */
import type { SettingsChange } from '../lvs/settings.ts'
import type { DrainTarget, Health } from './control.ts'
import type { ServiceState } from './table.ts'

export type DirectorEvent =
  /** A check has changed its mind. `after`: for how many results it had been `from`. */
  | {
      readonly kind: 'server.health'
      readonly service: string
      readonly server: string
      readonly guest: string | undefined
      readonly from: Health
      readonly to: Health
      readonly reason: string
      readonly after: number
    }
  /** Who takes a service's connections. */
  | {
      readonly kind: 'service.state'
      readonly service: string
      readonly from: ServiceState | 'absent'
      readonly to: ServiceState
    }
  /** What was done in the engine; `from` and `to` are weights, undefined where there is no such server. */
  | {
      readonly kind: 'server.added' | 'server.changed' | 'server.removed'
      readonly service: string
      readonly server: string
      readonly from: number | undefined
      readonly to: number | undefined
      readonly reason: string
    }
  | { readonly kind: 'service.added' | 'service.changed' | 'service.removed'; readonly service: string }
  /** Tried again until it works; only a new reason is said again. */
  | { readonly kind: 'engine.failed'; readonly service: string | undefined; readonly reason: string }
  | { readonly kind: 'engine.recovered'; readonly service: string | undefined; readonly failures: number }
  | { readonly kind: 'cluster.put' | 'cluster.removed'; readonly cluster: string; readonly services: number }
  | { readonly kind: 'server.drained' | 'server.undrained'; readonly target: DrainTarget; readonly servers: number }
  /** By hand; `refused` of them were not made. */
  | { readonly kind: 'table.edited'; readonly edits: number; readonly refused: number }
  /** So much at once that each of it by itself would say nothing: what was done in the engine. */
  | { readonly kind: 'table.changed'; readonly changes: number }
  /** Settings of the engine as a whole. */
  | { readonly kind: 'settings.changed'; readonly settings: SettingsChange }
  | { readonly kind: 'guest.moved'; readonly guest: string; readonly servers: number }
  | { readonly kind: 'intent.trouble'; readonly reason: string }
