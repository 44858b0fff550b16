/** A service as an engine would keep it for a scheduler, driven by hand: each pick stays open until it is closed. */
import { addressNumber } from '../../src/lvs/address.ts'
import { schedulers } from '../../src/lvs/schedulers/registry.ts'
import type {
  AddressWords,
  Candidate,
  Flow,
  Scheduler,
  SchedulerFactory,
  SchedulerOptions,
} from '../../src/lvs/schedulers/scheduler.ts'
import type { SchedulerName } from '../../src/lvs/service.ts'

export type Server = { -readonly [K in keyof Candidate]: Candidate[K] } & { readonly name: number }

export type SchedulingOptions = Partial<SchedulerOptions> & {
  /** A connection counts as active (TCP), as inactive (UDP), or is not counted at all. */
  readonly counts?: 'active' | 'inactive' | 'none'
  /** Before the server's number: `10.9.0.` or `fd09::`. */
  readonly network?: string
}

export function words(address: string): AddressWords {
  const number = addressNumber(address) ?? 0n
  const shifts = address.includes(':') ? [96n, 64n, 32n, 0n] : [0n]
  return shifts.map((shift) => Number((number >> shift) & 0xffff_ffffn))
}

export function buildFlow(
  flow: { source?: string; sourcePort?: number; destination?: string; atMs?: number } = {},
): Flow {
  const { source = '192.0.2.1', sourcePort = 40_000, destination = '10.50.0.1', atMs = 0 } = flow
  return { source: words(source), sourcePort, destination: words(destination), destinationPort: 80, atMs }
}

/** Numbers in [0, 1), the same ones in each run. */
export function drawing(): () => number {
  let state = 1
  return () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0
    return state / 2 ** 32
  }
}

export class Scheduling {
  /** Newest first. */
  readonly list: Server[] = []
  readonly scheduler: Scheduler<Server>
  readonly #counts: 'active' | 'inactive' | 'none'
  readonly #network: string

  constructor(scheduler: SchedulerName | 'none' | SchedulerFactory, options: SchedulingOptions = {}) {
    const { counts = 'active', network = '10.9.0.', ...rest } = options
    this.#counts = counts
    this.#network = network
    const factory = typeof scheduler === 'string' ? schedulers[scheduler] : scheduler
    this.scheduler = factory(this.list, { flags: [], random: () => 0, ...rest })
  }

  at(name: number): Server {
    const found = this.list.find((server) => server.name === name)
    if (found === undefined) throw new Error(`no server ${name}`)
    return found
  }

  add(name: number, weight: number): Server {
    const server: Server = {
      name,
      weight,
      lastWeight: weight,
      active: 0,
      inactive: 0,
      overloaded: false,
      isTried: false,
      address: words(`${this.#network}${name}`),
      port: 80,
    }
    this.list.unshift(server)
    this.scheduler.added()
    return server
  }

  edit(name: number, weight: number): void {
    const index = this.list.findIndex((server) => server.name === name)
    const server = this.at(name)
    server.weight = weight
    if (weight !== 0) server.lastWeight = weight
    this.scheduler.edited(index)
  }

  remove(name: number): void {
    const index = this.list.findIndex((server) => server.name === name)
    this.list.splice(index, 1)
    this.scheduler.removed(index)
  }

  /** Sets counts, `overloaded` or `isTried`, as an engine does, and tells the scheduler. */
  set(name: number, change: Partial<Pick<Server, 'active' | 'inactive' | 'overloaded' | 'isTried'>>): void {
    const server = this.at(name)
    Object.assign(server, change)
    this.scheduler.counted(server)
  }

  /** The server's number, or `none`. */
  pick(flow: Flow = buildFlow()): number | 'none' {
    const picked = this.scheduler.pick(flow)
    if (picked === undefined) return 'none'
    if (this.#counts !== 'none') {
      picked[this.#counts] += 1
      this.scheduler.counted(picked)
    }
    return picked.name
  }

  picks(count: number): (number | 'none')[] {
    return Array.from({ length: count }, () => this.pick())
  }
}

/** Servers 2, 3, … with these weights, added in this order. */
export function withWeights(
  scheduler: SchedulerName | SchedulerFactory,
  weights: readonly number[],
  options?: SchedulingOptions,
): Scheduling {
  const made = new Scheduling(scheduler, options)
  weights.forEach((weight, index) => made.add(index + 2, weight))
  return made
}
