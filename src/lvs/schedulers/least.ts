/** The server of least cost, found without a walk through all of them: a binary heap that knows where each server is. */
import { compareRatios } from './ratio.ts'
import type { Candidate, Scheduler } from './scheduler.ts'

/** Cost and share are whole numbers; the least cost/share wins, and of equals the one that comes first in the list. */
export type Rule = {
  readonly cost: (server: Candidate) => number
  readonly share: (server: Candidate) => number
  /** Besides having a weight and not being overloaded. */
  readonly isOpen?: (server: Candidate) => boolean
}

/** A server in the list, as it was when last looked at. */
type Ranked<S> = {
  readonly server: S
  /** The newer the higher: the list's order, whatever goes in or out. */
  readonly age: number
  cost: number
  share: number
  /** In the heap; -1 when it may not be picked. */
  place: number
}

/** It does not look at the connection. */
export interface LeastScheduler<S extends Candidate> extends Scheduler<S> {
  pick(): S | undefined
}

export function leastScheduler<S extends Candidate>(servers: readonly S[], rule: Rule): LeastScheduler<S> {
  /** As the list: newest first. */
  const ranks: Ranked<S>[] = []
  const byServer = new Map<S, Ranked<S>>()
  const heap: Ranked<S>[] = []
  let nextAge = 0

  const enter = (server: S): Ranked<S> => {
    const ranked = { server, age: nextAge++, cost: 0, share: 1, place: -1 }
    byServer.set(server, ranked)
    refresh(heap, ranked, rule)
    return ranked
  }
  for (let at = servers.length - 1; at >= 0; at--) {
    const server = servers[at]
    if (server !== undefined) ranks[at] = enter(server)
  }

  return {
    pick: () => heap[0]?.server,
    added() {
      const [server] = servers
      if (server !== undefined) ranks.unshift(enter(server))
    },
    removed(index) {
      const [ranked] = ranks.splice(index, 1)
      if (ranked === undefined) return
      byServer.delete(ranked.server)
      takeOut(heap, ranked)
    },
    edited(index) {
      const ranked = ranks[index]
      if (ranked !== undefined) refresh(heap, ranked, rule)
    },
    counted(server) {
      const ranked = byServer.get(server)
      if (ranked !== undefined) refresh(heap, ranked, rule)
    },
  }
}

/** Looks at the server anew and puts it where it belongs. */
function refresh<S extends Candidate>(heap: Ranked<S>[], ranked: Ranked<S>, rule: Rule): void {
  const { server } = ranked
  if (server.weight <= 0 || server.overloaded || rule.isOpen?.(server) === false) return takeOut(heap, ranked)
  const cost = rule.cost(server)
  const share = rule.share(server)
  if (ranked.place < 0) ranked.place = heap.push(ranked) - 1
  else if (cost === ranked.cost && share === ranked.share) return
  ranked.cost = cost
  ranked.share = share
  settle(heap, ranked)
}

function takeOut<S>(heap: Ranked<S>[], ranked: Ranked<S>): void {
  const { place } = ranked
  if (place < 0) return
  ranked.place = -1
  const last = heap.pop()
  if (last === undefined || last === ranked) return
  heap[place] = last
  last.place = place
  settle(heap, last)
}

/** Up as long as it comes before its parent, else down behind those that come before it. */
function settle<S>(heap: Ranked<S>[], ranked: Ranked<S>): void {
  let { place } = ranked
  while (place > 0) {
    const parent = heap[(place - 1) >> 1]
    if (parent === undefined || !precedes(ranked, parent)) break
    heap[place] = parent
    const above = parent.place
    parent.place = place
    place = above
  }
  if (place === ranked.place) {
    for (;;) {
      let next = heap[2 * place + 1]
      if (next === undefined) break
      const right = heap[2 * place + 2]
      if (right !== undefined && precedes(right, next)) next = right
      if (!precedes(next, ranked)) break
      heap[place] = next
      const below = next.place
      next.place = place
      place = below
    }
  }
  heap[place] = ranked
  ranked.place = place
}

function precedes<S>(a: Ranked<S>, b: Ranked<S>): boolean {
  const order = compareRatios(a.cost, a.share, b.cost, b.share)
  return order < 0 || (order === 0 && a.age > b.age)
}
