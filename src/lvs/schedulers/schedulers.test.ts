import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import type { SchedulerName } from '../service.ts'
import { implementedSchedulers, schedulers } from './registry.ts'
import type { AddressWords, Candidate, Flow, Scheduler } from './scheduler.ts'

type Server = { -readonly [K in keyof Candidate]: Candidate[K] } & { name: number }
type Kind = 'tcp' | 'udp'

const flow: Flow = { source: [0], sourcePort: 0, destination: [0], destinationPort: 0, atMs: 0 }

/** A service as an engine would keep it; each pick stays open, active for TCP and inactive for UDP. */
function service(name: SchedulerName, kind: Kind = 'tcp') {
  const factory = schedulers[name]
  if (factory === undefined) throw new Error(`no scheduler ${name}`)
  const list: Server[] = []
  const scheduler: Scheduler<Server> = factory(list, { flags: [], random: () => 0 })
  const indexOf = (server: number): number => list.findIndex((s) => s.name === server)
  const at = (server: number): Server => {
    const found = list[indexOf(server)]
    if (found === undefined) throw new Error(`no server ${server}`)
    return found
  }
  const address: AddressWords = [0]
  return {
    at,
    add(server: number, weight: number) {
      list.unshift({
        name: server,
        weight,
        lastWeight: weight,
        active: 0,
        inactive: 0,
        overloaded: false,
        isTried: false,
        address,
        port: 80,
      })
      scheduler.added()
    },
    edit(server: number, weight: number) {
      at(server).weight = weight
      scheduler.edited(indexOf(server))
    },
    remove(server: number) {
      const index = indexOf(server)
      list.splice(index, 1)
      scheduler.removed(index)
    },
    picks(count: number): (number | 'none')[] {
      return Array.from({ length: count }, () => {
        const picked = scheduler.pick(flow)
        if (picked === undefined) return 'none'
        if (kind === 'tcp') picked.active += 1
        else picked.inactive += 1
        return picked.name
      })
    },
  }
}
type Service = ReturnType<typeof service>

function withWeights(name: SchedulerName, weights: readonly number[], kind?: Kind): Service {
  const made = service(name, kind)
  weights.forEach((weight, index) => made.add(index + 2, weight))
  return made
}
const digits = (text: string): number[] => text.split('').map(Number)

describe('schedulers pick as Linux 6.12 was seen to', () => {
  test.each<{ name: SchedulerName; weights: number[]; picks: string; kind?: Kind }>([
    { name: 'rr', weights: [1, 1, 1], picks: '4324324' },
    { name: 'rr', weights: [5, 0, 1], picks: '42424' },
    { name: 'wrr', weights: [5, 1, 1], picks: '4322222432222243' },
    { name: 'wrr', weights: [4, 3, 2], picks: '432232432432232' },
    { name: 'wrr', weights: [1, 2, 3], picks: '432443432443' },
    { name: 'wrr', weights: [10, 20], picks: '323323323323323323323323' },
    { name: 'lc', weights: [5, 1, 3], picks: '432432432' },
    { name: 'wlc', weights: [5, 1, 3], picks: '4322422424322422' },
    { name: 'wlc', weights: [5, 1, 3], picks: '4322422424322422', kind: 'udp' },
  ])('$name with weights $weights picks $picks ($kind)', ({ name, weights, picks, kind }) => {
    expect(withWeights(name, weights, kind).picks(picks.length)).toEqual(digits(picks))
  })

  test('rr goes on from its last pick when a server is drained and another added', () => {
    const rr = withWeights('rr', [1, 1, 1])
    expect(rr.picks(7)).toEqual(digits('4324324'))
    rr.edit(3, 0)
    expect(rr.picks(5)).toEqual(digits('24242'))
    rr.add(5, 1)
    expect(rr.picks(5)).toEqual(digits('54254'))
  })

  test('rr goes on from the predecessor when its last pick is deleted', () => {
    const rr = withWeights('rr', [1, 1, 1])
    expect(rr.picks(2)).toEqual([4, 3])
    rr.remove(3)
    expect(rr.picks(3)).toEqual([2, 4, 2])
    rr.remove(4)
    expect(rr.picks(2)).toEqual([2, 2])
  })

  test('rr starts at the head when the first server, its last pick, is deleted', () => {
    const rr = withWeights('rr', [1, 1, 1])
    expect(rr.picks(1)).toEqual([4])
    rr.remove(4)
    rr.add(5, 1)
    expect(rr.picks(3)).toEqual([5, 3, 2])
  })

  test('wrr keeps its bar across an edit that changes the common divisor', () => {
    const wrr = withWeights('wrr', [10, 20])
    wrr.picks(24)
    wrr.edit(2, 3)
    expect(wrr.picks(12)).toEqual(digits('333333333232'))
  })
})

describe.each(implementedSchedulers)('scheduler %s', (name) => {
  test('gives nothing when there is no server, or none with a weight', () => {
    expect(service(name).picks(2)).toEqual(['none', 'none'])
    expect(withWeights(name, [0, 0]).picks(3)).toEqual(['none', 'none', 'none'])
  })

  test('gives nothing while all are overloaded and goes on afterwards', () => {
    const made = withWeights(name, [2, 1])
    made.picks(1)
    for (const server of [2, 3]) made.at(server).overloaded = true
    expect(made.picks(2)).toEqual(['none', 'none'])
    made.at(2).overloaded = false
    expect(made.picks(3)).toEqual([2, 2, 2])
  })

  type Edit = {
    readonly kind: 'add' | 'edit' | 'remove' | 'overload' | 'pick'
    readonly n: number
    readonly weight: number
  }
  const edits = fc.array(
    fc.record<Edit>({
      kind: fc.constantFrom('add', 'edit', 'remove', 'overload', 'pick', 'pick', 'pick'),
      n: fc.nat(9),
      weight: fc.nat(12),
    }),
    { maxLength: 60 },
  )
  test('always gives a usable server if there is one, and never another, through any edits', () => {
    fc.assert(
      fc.property(edits, (steps) => {
        const made = service(name)
        const here = new Map<number, { weight: number; overloaded: boolean }>()
        let next = 2
        for (const { kind, n, weight } of steps) {
          const server = [...here.keys()][n % Math.max(here.size, 1)]
          if (kind === 'add') {
            here.set(next, { weight, overloaded: false })
            made.add(next++, weight)
          } else if (kind === 'pick') {
            const usable = [...here].filter(([, s]) => s.weight > 0 && !s.overloaded).map(([id]) => id)
            const [picked] = made.picks(1)
            if (usable.length === 0) expect(picked).toBe('none')
            else expect(usable).toContain(picked)
          } else if (server !== undefined) {
            const state = here.get(server)
            if (state === undefined) continue
            if (kind === 'remove') {
              here.delete(server)
              made.remove(server)
            } else if (kind === 'edit') {
              state.weight = weight
              made.edit(server, weight)
            } else {
              state.overloaded = !state.overloaded
              made.at(server).overloaded = state.overloaded
            }
          }
        }
      }),
      { numRuns: 500 },
    )
  })

  test('shares out by weight', () => {
    const weights = [5, 1, 3]
    const picks = withWeights(name, weights).picks(900)
    const share = [2, 3, 4].map((server) => picks.filter((p) => p === server).length)
    const weighted = name === 'wrr' || name === 'wlc'
    expect(share).toEqual(weighted ? [500, 100, 300] : [300, 300, 300])
  })
})
