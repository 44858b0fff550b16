/** What a running virtual router stands on: time, the network, and who is told. A test puts its own here. */
import type { RouterSpec } from './spec.ts'
import type { VrrpEvent } from './status.ts'

/** What could not be done, in words. */
export type Troubles = readonly string[]

export interface Ground {
  /** Milliseconds of a clock that is never set. */
  now(): number
  /** Calls `run` once, no sooner than after `ms`. */
  after(ms: number, run: () => void): Disposable
  advertise(router: RouterSpec, priority: number): Troubles
  /** Brings the addresses to where they are wanted, then routes and rules. Those that stand there already are well. */
  claim(router: RouterSpec): Troubles
  /** Brings back what of them has gone since, but for what is not to be brought back. */
  restore(router: RouterSpec): Troubles
  release(router: RouterSpec): Troubles
  /** Tells all on the links where the addresses are. */
  announce(router: RouterSpec, times: number): Troubles
  tell(event: VrrpEvent): void
}
