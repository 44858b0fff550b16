import { describe, expect, test } from 'vitest'
import { buildFlow, withWeights } from '../../../test/build/scheduling.ts'
import { schedulerNames } from '../service.ts'

const flows = Array.from({ length: 64 }, (_, at) =>
  buildFlow({ source: `198.51.100.${at}`, sourcePort: 1024 + at, destination: `203.0.113.${at}` }),
)
/** So few that the collector seldom comes in between, and so often that it does not matter. */
const picks = 2000
const blocks = 100

/** Bytes left behind per pick. */
function litter(run: () => void): number {
  const before = process.memoryUsage().heapUsed
  run()
  return (process.memoryUsage().heapUsed - before) / picks
}

function median(values: readonly number[]): number {
  return [...values].sort((a, b) => a - b)[Math.floor(values.length / 2)] ?? Number.NaN
}

describe.each(schedulerNames)('scheduler %s', (name) => {
  test('leaves nothing behind when it picks and is told of counts', () => {
    const made = withWeights(
      name,
      Array.from({ length: 50 }, (_, at) => 1 + (at % 9)),
      {
        flags: ['sh-port', 'sh-fallback', 'mh-port', 'mh-fallback'],
      },
    )
    const { scheduler } = made
    // So that the fallbacks have work to do.
    made.set(7, { overloaded: true })
    const run = (): void => {
      for (let at = 0; at < picks; at++) {
        const flow = flows[at & 63]
        if (flow === undefined) return
        const picked = scheduler.pick(flow)
        if (picked === undefined) continue
        picked.active = (picked.active + 1) & 15
        scheduler.counted(picked)
      }
    }
    // The first blocks are not compiled yet, and lblc learns its destinations.
    let bytes = Number.POSITIVE_INFINITY
    for (let block = 0; block < blocks && bytes > 8; block++)
      bytes = median(Array.from({ length: 21 }, () => litter(run)))
    // A number on the heap would be 16 bytes at each pick.
    expect(bytes).toBeLessThan(8)
  })
})
