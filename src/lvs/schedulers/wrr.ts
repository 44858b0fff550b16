/** wrr, weighted round robin: passes over the list with a falling weight bar, so that heavy servers come by more often. */
import type { Candidate, Scheduler } from './scheduler.ts'
import { Weights } from './weights.ts'

export function weightedRoundRobin<S extends Candidate>(servers: readonly S[]): Scheduler<S> {
  const weights = new Weights(servers)
  // Index of the last pick; -1 is the list's head, before the first server.
  let last = -1
  /** The bar: a server takes part in this pass if its weight reaches it. */
  let bar = 0
  let highest = 0
  let step = 1

  const changed = (): void => {
    last = -1
    step = Math.max(weights.divisor, 1)
    highest = Math.max(weights.highest - (step - 1), 0)
    if (bar > highest || bar === 0) bar = highest
    else if (step > 1) bar = Math.floor(bar / step) * step + 1
  }

  const pick = (): S | undefined => {
    if (highest === 0) return undefined
    const start = last
    let isLastPass = false
    let hasRestarted = false
    // Set on the last pass: after this server everyone has been asked with the lowest bar.
    let stop = -1
    for (let from = start + 1; ; from = 0) {
      let heaviest = 0
      for (let at = from; at < servers.length; at++) {
        const server = servers[at]
        if (server !== undefined && !server.overloaded) {
          if (server.weight >= bar) {
            last = at
            return server
          }
          heaviest = Math.max(heaviest, server.weight)
        }
        if (at === stop) return undefined
      }
      bar -= step
      if (bar <= 0) {
        bar = highest
        if (isLastPass || start === -1) {
          last = -1
          return undefined
        }
        hasRestarted = true
      }
      // Passes that nobody would be picked in need not be made: the kernel walks through all of them.
      const reach = Math.max(heaviest, step)
      if (from === 0 && bar > reach) bar -= Math.ceil((bar - reach) / step) * step
      isLastPass = bar <= step
      if (isLastPass && hasRestarted && start !== -1) stop = start
    }
  }

  changed()
  return {
    pick,
    added() {
      weights.added()
      changed()
    },
    removed(index) {
      weights.removed(index)
      changed()
    },
    edited(index) {
      weights.edited(index)
      changed()
    },
    counted() {},
  }
}
