/** Virtual routers on one link, in virtual time: packets are lost and come late as the test wants it. */
import type { RouterConfig } from '../../src/vrrp/machine/config.ts'
import { type GroupState, initialGroup, nextGroupTickMs, stepGroup } from '../../src/vrrp/machine/group.ts'
import type { Happening, RouterEvent } from '../../src/vrrp/machine/machine.ts'

type Node = {
  readonly members: readonly RouterConfig[]
  state: GroupState
  readonly holds: Set<number>
  isCut: boolean
}
type Flight = {
  readonly atMs: number
  readonly order: number
  readonly to: number
  readonly member: number
  readonly event: RouterEvent
}

/** Random numbers in [0, 1) for the fate of packets. */
export type Weather = { readonly loss: () => boolean; readonly delayMs: () => number }

export class VirtualLink {
  readonly #nodes: Node[]
  readonly #flights: Flight[] = []
  #sent = 0
  nowMs = 0
  weather: Weather = { loss: () => false, delayMs: () => 0 }
  /** What no schedule may bring about. */
  readonly wrongs: string[] = []

  /** Each machine with its group of routers. */
  constructor(machines: readonly (readonly RouterConfig[])[]) {
    this.#nodes = machines.map((members) => ({
      members,
      state: initialGroup({ members }, 0),
      holds: new Set(),
      isCut: false,
    }))
  }

  address(machine: number): string {
    return `10.0.0.${machine + 1}`
  }

  /** Cable out, or in again. */
  cut(machine: number, isCut: boolean): void {
    const node = this.#nodes[machine]
    if (node !== undefined) node.isCut = isCut
  }

  do(machine: number, event: Happening, member?: number): void {
    this.#step(machine, { ...event, atMs: this.nowMs }, member)
  }

  /** Killed: it says nothing, and begins anew. */
  kill(machine: number): void {
    const node = this.#nodes[machine]
    if (node === undefined) return
    node.state = initialGroup({ members: node.members }, this.nowMs)
    node.holds.clear()
  }

  masters(member = 0): number[] {
    return this.#nodes.flatMap(({ state }, at) => (state[member]?.kind === 'master' ? [at] : []))
  }

  kinds(machine: number): string[] {
    return this.#nodes[machine]?.state.map(({ kind }) => kind) ?? []
  }

  pass(ms: number, watch?: () => void): void {
    const until = this.nowMs + ms
    for (;;) {
      const ticks = this.#nodes.map(({ state }) => nextGroupTickMs(state) ?? Number.POSITIVE_INFINITY)
      const flight = this.#nextFlight()
      const next = Math.min(...ticks, flight?.atMs ?? Number.POSITIVE_INFINITY)
      if (next > until) break
      this.nowMs = Math.max(this.nowMs, next)
      if (flight !== undefined && flight.atMs <= next) this.#land(flight)
      else this.#step(ticks.indexOf(next), { kind: 'tick', atMs: this.nowMs })
      watch?.()
    }
    this.nowMs = until
  }

  #nextFlight(): Flight | undefined {
    return this.#flights.reduce<Flight | undefined>(
      (first, one) =>
        first === undefined || one.atMs < first.atMs || (one.atMs === first.atMs && one.order < first.order)
          ? one
          : first,
      undefined,
    )
  }

  #land(flight: Flight): void {
    this.#flights.splice(this.#flights.indexOf(flight), 1)
    if (this.#nodes[flight.to]?.isCut === false)
      this.#step(flight.to, { ...flight.event, atMs: this.nowMs }, flight.member)
  }

  #step(machine: number, event: RouterEvent, member?: number): void {
    const node = this.#nodes[machine]
    if (node === undefined) return
    const { state, effects } = stepGroup(node, node.state, event, member)
    node.state = state
    for (const { member: at, effect } of effects) {
      if (effect.kind === 'advertise') this.#send(machine, at, effect.priority)
      if (effect.kind === 'claim') this.#hold(machine, at, true)
      if (effect.kind === 'release') this.#hold(machine, at, false)
    }
    for (const [at, { kind }] of state.entries())
      if (node.holds.has(at) !== (kind === 'master'))
        this.wrongs.push(`machine ${machine} is ${kind} with other addresses`)
  }

  #hold(machine: number, member: number, isHeld: boolean): void {
    const holds = this.#nodes[machine]?.holds
    if (holds?.has(member) === isHeld) this.wrongs.push(`machine ${machine} ${isHeld ? 'claims' : 'releases'} twice`)
    if (isHeld) holds?.add(member)
    else holds?.delete(member)
  }

  #send(machine: number, member: number, priority: number): void {
    const sender = this.#nodes[machine]
    const config = sender?.members[member]
    if (sender === undefined || sender.isCut || config === undefined) return
    for (const to of this.#nodes.keys()) {
      if (to === machine || this.weather.loss()) continue
      const event: RouterEvent = {
        kind: 'heard',
        atMs: 0,
        path: 0,
        from: this.address(machine),
        own: this.address(to),
        priority,
        intervalMs: config.intervalMs,
      }
      this.#flights.push({ atMs: this.nowMs + this.weather.delayMs(), order: this.#sent++, to, member, event })
    }
  }
}
