/**
 * What is under way, in no order. A Set would do, but its tables, which every request makes outgrow, drag requests that
 * are over through V8's young generation (each dead table still points to them): a third of all garbage lived on.
 */
import type { Connection } from '../engine.ts'
import type { ServerRecord } from '../records.ts'

/** A connection as it counts: on its server, and under its client's persistence template (0: none). */
export type Placement = { readonly server: ServerRecord; readonly template: number }

/** Something under way between a client and, once chosen, a server. */
export type Running<World> = {
  /** Its place in the list; -1: it is not under way. */
  at: number
  on: Placement | undefined
  readonly kind: RunningKind<World>
}

/** What one does with all of a kind: requests, relays. */
export type RunningKind<World> = {
  /** Ends it when it has waited for too long. */
  expire(world: World, one: Running<World>, nowMs: number): void
  describe(world: World, one: Running<World>, nowMs: number): Connection | undefined
  abort(world: World, one: Running<World>): void
}

export function begin<World>(all: Running<World>[], one: Running<World>): void {
  one.at = all.length
  all.push(one)
}

/** False when it was not under way any more. */
export function end<World>(all: Running<World>[], one: Running<World>): boolean {
  if (one.at < 0) return false
  const last = all.pop()
  if (last !== undefined && last !== one) {
    all[one.at] = last
    last.at = one.at
  }
  one.at = -1
  return true
}
