/**
 * Routers that are master together or not at all (keepalived's vrrp_sync_group); one alone is a group of one. Pure, above
 * the machines of its members: a fault of one is a fault of all, one that gives way takes all with it, and they become
 * master when the masters of all of them are gone.
 */
import type { RouterConfig } from './config.ts'
import {
  initialState,
  isAtFault,
  nextTickMs,
  type RouterEffect,
  type RouterEvent,
  type RouterState,
  step,
} from './machine.ts'

export type GroupConfig = { readonly members: readonly RouterConfig[] }
/** In the members' order. */
export type GroupState = readonly RouterState[]
/** `member`: its place in the group. */
export type GroupEffect = { readonly member: number; readonly effect: RouterEffect }
export type GroupStep = { readonly state: GroupState; readonly effects: readonly GroupEffect[] }

export function initialGroup({ members }: GroupConfig, atMs: number): GroupState {
  return members.map((member) => initialState(member, atMs))
}

export function nextGroupTickMs(state: GroupState): number | undefined {
  const due = state.flatMap((member) => nextTickMs(member) ?? [])
  return due.length === 0 ? undefined : Math.min(...due)
}

/** `member` left out: the event is for all. */
export function stepGroup(group: GroupConfig, was: GroupState, event: RouterEvent, member?: number): GroupStep {
  const run = new Run(group, was)
  run.give(event, (at) => member === undefined || at === member)
  run.settle(was, event.atMs)
  return run
}

class Run implements GroupStep {
  readonly effects: GroupEffect[] = []
  readonly state: RouterState[]
  readonly #group: GroupConfig

  constructor(group: GroupConfig, state: GroupState) {
    this.#group = group
    this.state = [...state]
  }

  give(event: RouterEvent, isMeant: (member: number) => boolean): void {
    for (const [at, config] of this.#group.members.entries()) {
      const state = this.state[at]
      if (state === undefined || !isMeant(at)) continue
      const next = step(config, state, event)
      this.state[at] = next.state
      this.effects.push(...next.effects.map((effect) => ({ member: at, effect })))
    }
  }

  /** What one member has become makes the others follow. */
  settle(was: GroupState, atMs: number): void {
    const { members } = this.#group
    if (members.length < 2) return
    const hold = (at: number): string | undefined =>
      members.find((_, other) => other !== at && (this.state[other]?.faults.length ?? 0) > 0)?.name
    for (const [at, state] of this.state.entries())
      if (state.heldBy !== hold(at)) this.give({ kind: 'hold', by: hold(at), atMs }, (one) => one === at)
    const gaveWay = this.state.some(({ kind }, at) => kind === 'backup' && was[at]?.kind === 'master')
    if (gaveWay) this.give({ kind: 'demote', atMs }, () => true)
    const isReady = (state: RouterState): boolean =>
      !isAtFault(state) && (state.kind === 'master' || (state.kind === 'backup' && state.isWilling))
    if (this.state.every(isReady)) this.give({ kind: 'promote', atMs }, () => true)
  }
}
