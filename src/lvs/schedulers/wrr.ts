/** wrr, weighted round robin: passes over the list with a falling weight bar, so that heavy servers come by more often. */
import type { Candidate, Scheduler } from './scheduler.ts'

export function weightedRoundRobin<S extends Candidate>(servers: readonly S[]): Scheduler<S> {
  // Index of the last pick; -1 is the list's head, before the first server.
  let last = -1
  /** The bar: a server takes part in this pass if its weight reaches it. */
  let bar = 0
  let highest = 0
  let step = 1

  const changed = (): void => {
    let divisor = 0
    let heaviest = 0
    for (const { weight } of servers) {
      if (weight <= 0) continue
      divisor = greatestCommonDivisor(weight, divisor)
      heaviest = Math.max(heaviest, weight)
    }
    last = -1
    step = divisor === 0 ? 1 : divisor
    highest = Math.max(heaviest - (step - 1), 0)
    if (bar > highest || bar === 0) bar = highest
    else if (step > 1) bar = Math.floor(bar / step) * step + 1
  }

  const pick = (): S | undefined => {
    if (highest === 0) return undefined
    const start = last
    let at = start
    let isLastPass = false
    let hasRestarted = false
    // Set on the last pass: after this server everyone has been asked with the lowest bar.
    let stop = -1
    for (;;) {
      for (at += 1; at < servers.length; at++) {
        const server = servers[at]
        if (server !== undefined && server.weight >= bar && !server.overloaded) {
          last = at
          return server
        }
        if (at === stop) return undefined
      }
      at = -1
      bar -= step
      if (bar <= 0) {
        bar = highest
        if (isLastPass || start === -1) return undefined
        hasRestarted = true
      }
      isLastPass = bar <= step
      if (isLastPass && hasRestarted && start !== -1) stop = start
    }
  }

  changed()
  return { pick, added: changed, removed: changed, edited: changed, counted() {} }
}

function greatestCommonDivisor(a: number, b: number): number {
  return b === 0 ? a : greatestCommonDivisor(b, a % b)
}
