/** Draws servers by weight without a walk through all of them: a tree of sums over the list. */
import type { Candidate, Scheduler } from './scheduler.ts'

export type DrawIndex<S extends Candidate> = {
  /** What the scheduler is told. */
  readonly changes: Omit<Scheduler<S>, 'pick' | 'tick'>
  /** The weights of all usable servers. */
  total(): number
  /** The first in the list at which the usable servers' weights so far come to `sum`; there must be one. */
  at(sum: number): S | undefined
}

export function drawIndex<S extends Candidate>(servers: readonly S[]): DrawIndex<S> {
  /** The leaf of each server, as the list. Newer servers have lower leaves. */
  let leaves: number[] = []
  const leafOf = new Map<S, number>()
  let capacity = 0
  let byLeaf: (S | undefined)[] = []
  /** Node n sums 2n and 2n + 1; the leaves come last. */
  let sums = new Float64Array(2)

  const set = (leaf: number, server: S | undefined): void => {
    byLeaf[leaf] = server
    const weight = server === undefined || server.overloaded ? 0 : server.weight
    let node = capacity + leaf
    const change = weight - (sums[node] ?? 0)
    if (change === 0) return
    for (; node > 0; node >>= 1) sums[node] = (sums[node] ?? 0) + change
  }
  const enter = (server: S, leaf: number): void => {
    leafOf.set(server, leaf)
    set(leaf, server)
  }
  /** With room for as many again before the first. */
  const rebuild = (): void => {
    capacity = 8
    while (capacity < servers.length * 2) capacity *= 2
    sums = new Float64Array(capacity * 2)
    byLeaf = []
    leafOf.clear()
    const first = capacity - servers.length
    leaves = servers.map((_, index) => first + index)
    servers.forEach((server, index) => enter(server, first + index))
  }
  rebuild()

  return {
    total: () => sums[1] ?? 0,
    at(sum) {
      let node = 1
      let left = sum
      while (node < capacity) {
        node *= 2
        const before = sums[node] ?? 0
        // An empty branch is never the first to reach anything, not even nothing at all.
        if (before < left || before === 0) {
          left -= before
          node += 1
        }
      }
      return byLeaf[node - capacity]
    },
    changes: {
      added() {
        const [server] = servers
        const leaf = (leaves[0] ?? capacity) - 1
        if (server === undefined) return
        if (leaf < 0) return rebuild()
        leaves.unshift(leaf)
        enter(server, leaf)
      },
      removed(index) {
        const [leaf] = leaves.splice(index, 1)
        const server = byLeaf[leaf ?? -1]
        if (leaf === undefined || server === undefined) return
        leafOf.delete(server)
        set(leaf, undefined)
      },
      edited(index) {
        const leaf = leaves[index]
        if (leaf !== undefined) set(leaf, servers[index])
      },
      counted(server) {
        const leaf = leafOf.get(server)
        if (leaf !== undefined) set(leaf, server)
      },
    },
  }
}
