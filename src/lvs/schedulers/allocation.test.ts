import { describe, expect, test } from 'vitest'
import { buildFlow, withWeights } from '../../../test/build/scheduling.ts'
import { schedulerNames } from '../service.ts'

const flows = Array.from({ length: 64 }, (_, at) =>
  buildFlow({ source: `198.51.100.${at}`, sourcePort: 1024 + at, destination: `203.0.113.${at}` }),
)
const rounds = 40
const picks = 50_000

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
    // The first rounds are not compiled yet, and lblc learns its destinations. A collection may hide what a round left.
    let bytesPerPick = Number.POSITIVE_INFINITY
    for (let round = 0; round < rounds && bytesPerPick > 12; round++) {
      const before = process.memoryUsage().heapUsed
      run()
      const left = (process.memoryUsage().heapUsed - before) / picks
      if (left >= 0) bytesPerPick = left
    }
    // A number on the heap would be 16 bytes at each pick.
    expect(bytesPerPick).toBeLessThan(12)
  })
})
