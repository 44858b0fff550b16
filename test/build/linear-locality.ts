/** lblc and lblcr by plain maps and walks through all servers, without a table's limits: what they must agree with. */
import {
  type Candidate,
  overhead,
  type Scheduler,
  type SchedulerFactory,
  type SchedulerOptions,
} from '../../src/lvs/schedulers/scheduler.ts'
import { linearSchedulers } from './linear-schedulers.ts'

const keyOf = (words: ArrayLike<number>): string => Array.from(words).join()
const endpointOf = ({ address, port }: Candidate): string => `${keyOf(address)} ${port}`
const load = (server: Candidate): number => overhead(server) / server.weight

/** Servers by their endpoints, so that one that comes back is the same. */
class Endpoints<S extends Candidate> {
  readonly #servers: readonly S[]
  readonly #known = new Map<string, S>()
  readonly #options: SchedulerOptions

  constructor(servers: readonly S[], options: SchedulerOptions) {
    this.#servers = servers
    this.#options = options
  }

  added(): void {
    const [server] = this.#servers
    if (server !== undefined) this.#known.set(endpointOf(server), server)
  }
  get(endpoint: string): S {
    const server = this.#known.get(endpoint)
    if (server === undefined) throw new Error(`never had ${endpoint}`)
    return server
  }
  isHere(endpoint: string): boolean {
    return this.#servers.includes(this.get(endpoint))
  }
  isOverfull(endpoint: string): boolean {
    const { active, weight } = this.get(endpoint)
    return active > weight && this.#servers.some((other) => other.active * 2 < other.weight)
  }
  least(): S | undefined {
    const nowhere = { source: [0], sourcePort: 0, destination: [0], destinationPort: 0, atMs: 0 }
    return linearSchedulers.wlc(this.#servers, this.#options).pick(nowhere)
  }
}

const lblc: SchedulerFactory = <S extends Candidate>(
  servers: readonly S[],
  options: SchedulerOptions,
): Scheduler<S> => {
  const endpoints = new Endpoints(servers, options)
  const cache = new Map<string, string>()
  return {
    pick({ destination }) {
      const cached = cache.get(keyOf(destination))
      if (cached !== undefined && endpoints.isHere(cached)) {
        const server = endpoints.get(cached)
        if (server.weight > 0 && !server.isTried && !endpoints.isOverfull(cached)) return server
      }
      const least = endpoints.least()
      if (least !== undefined) cache.set(keyOf(destination), endpointOf(least))
      return least
    },
    added: () => endpoints.added(),
    removed() {},
    edited() {},
    counted() {},
  }
}

const lblcr: SchedulerFactory = <S extends Candidate>(
  servers: readonly S[],
  options: SchedulerOptions,
): Scheduler<S> => {
  const endpoints = new Endpoints(servers, options)
  const cache = new Map<string, { set: string[]; changedMs: number }>()
  /** The first of the best by a measure. */
  const first = (set: readonly string[], isBetter: (a: number, b: number) => boolean): string | undefined =>
    set.reduce<string | undefined>(
      (best, one) => (best === undefined || isBetter(load(endpoints.get(one)), load(endpoints.get(best))) ? one : best),
      undefined,
    )
  return {
    pick({ destination, atMs }) {
      const cached = cache.get(keyOf(destination))
      const usable = (cached?.set ?? []).filter((endpoint) => {
        const { weight, overloaded } = endpoints.get(endpoint)
        return endpoints.isHere(endpoint) && weight > 0 && !overloaded
      })
      const min = first(usable, (a, b) => a < b)
      const expirationMs = (options.sysctls?.lblcr_expiration ?? 86_400) * 1000
      if (cached !== undefined && cached.set.length > 1 && atMs > cached.changedMs + expirationMs) {
        const weighted = cached.set.filter((endpoint) => endpoints.get(endpoint).weight > 0)
        const max = first(weighted, (a, b) => a > b)
        if (max !== undefined) {
          cached.set = cached.set.filter((endpoint) => endpoint !== max)
          cached.changedMs = atMs
        }
      }
      if (min !== undefined && !endpoints.isOverfull(min)) return endpoints.get(min)
      const least = endpoints.least()
      if (least === undefined) return undefined
      const endpoint = endpointOf(least)
      if (cached === undefined) cache.set(keyOf(destination), { set: [endpoint], changedMs: atMs })
      else if (!cached.set.includes(endpoint)) {
        cached.set.unshift(endpoint)
        cached.changedMs = atMs
      }
      return least
    },
    added: () => endpoints.added(),
    removed() {},
    edited() {},
    counted() {},
  }
}

export const linearLocality = { lblc, lblcr }
