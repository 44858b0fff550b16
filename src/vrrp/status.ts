/** What is told of virtual routers: how they stand, and what has happened. */
import type { RouterKind } from './machine/machine.ts'

export type RouterStatus = {
  readonly name: string
  readonly id: number
  readonly version: 2 | 3
  readonly interface: string
  readonly state: RouterKind
  /** How long it has been that. */
  readonly forMs: number
  readonly priority: number
  /** Of a backup: who was heard last. */
  readonly master?: { readonly address: string; readonly priority: number }
  readonly addresses: readonly string[]
  /** It was told to leave mastership to others. */
  readonly yields: boolean
  /** Why it may not be master. */
  readonly faults: readonly string[]
  /** What is wrong between the routers, or here, in words. */
  readonly troubles: readonly string[]
}

export type VrrpEvent =
  | {
      readonly kind: 'vrrp.turned'
      readonly router: string
      readonly id: number
      readonly from: RouterKind
      readonly to: RouterKind
      readonly reason: string
      /** What it is then: the configured one, and what is tracked. */
      readonly priority: number
      /** At fault only until all that is tracked was looked at for the first time. */
      readonly isWaiting?: true
    }
  | {
      readonly kind: 'vrrp.trouble'
      readonly router: string
      readonly id: number
      readonly trouble: string
      readonly count: number
    }
  /** What is tracked, or another file, has moved the priority; the role stays for now. */
  | {
      readonly kind: 'vrrp.priority'
      readonly router: string
      readonly id: number
      readonly role: 'master' | 'backup'
      readonly from: number
      readonly to: number
    }
  /** As master it has heard another one of lower priority, and answered; at most once in each of its own intervals. */
  | {
      readonly kind: 'vrrp.contested'
      readonly router: string
      readonly id: number
      readonly by: string
      readonly priority: number
      /** Its own. */
      readonly own: number
    }
