import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { roundRobin } from '../../lvs/schedulers/rr.ts'
import type { Candidate, Flow, Scheduler } from '../../lvs/schedulers/scheduler.ts'
import { weightedRoundRobin } from '../../lvs/schedulers/wrr.ts'
import { type Turn, TurnKeeper } from './turn.ts'

const flow: Flow = { source: [0], sourcePort: 0, destination: [0], destinationPort: 0, atMs: 0 }
type Server = { weight: number } & Omit<Candidate, 'weight'>
const serverOf = (weight: number, port: number): Server => ({
  weight,
  lastWeight: weight,
  active: 0,
  inactive: 0,
  overloaded: false,
  isTried: false,
  address: [1],
  port,
})

const step = fc.record({
  kind: fc.constantFrom('add', 'remove', 'remove', 'edit', 'pick', 'pick', 'pick'),
  at: fc.nat(20),
  // Most with a divisor in common, which comes and goes with the others.
  weight: fc.constantFrom(0, 2, 3, 4, 6),
})

/** rr's next pick: the first usable one behind the last, once around. */
function pickInTurn(servers: readonly Server[], turn: Turn): { readonly port?: number; readonly turn: Turn } {
  for (let index = 0; index < servers.length; index++) {
    const place = (turn.last + 1 + index) % servers.length
    const server = servers[place]
    if (server !== undefined && server.weight > 0) return { port: server.port, turn: { ...turn, last: place } }
  }
  return { turn }
}

/** wrr's, as a walk: each pass the bar falls by a step, and begins at the highest again. */
function pickByBar(servers: readonly Server[], turn: Turn): { readonly port?: number; readonly turn: Turn } {
  if (turn.highest === 0) return { turn }
  let { last, bar } = turn
  for (let looked = 0; looked <= servers.length * (turn.highest + 2); looked++) {
    last += 1
    if (last >= servers.length) {
      last = 0
      bar -= turn.step
      if (bar <= 0) bar = turn.highest
    }
    const server = servers[last]
    if (server !== undefined && server.weight >= bar) return { port: server.port, turn: { ...turn, last, bar } }
  }
  throw new Error('somebody has a weight')
}

describe.each([
  { name: 'rr' as const, pick: pickInTurn, schedule: (list: readonly Server[]): Scheduler<Server> => roundRobin(list) },
  {
    name: 'wrr' as const,
    pick: pickByBar,
    schedule: (list: readonly Server[]): Scheduler<Server> => weightedRoundRobin(list),
  },
])('the turn of $name', ({ name, pick, schedule }) => {
  test('kept through any edits, also by a keeper that takes it up at each, picks go on as those of src/lvs', () => {
    fc.assert(
      fc.property(fc.array(step, { maxLength: 120, size: 'max' }), (steps) => {
        const servers: Server[] = []
        const theirs: Server[] = []
        const scheduler = schedule(theirs)
        let turn = new TurnKeeper(name, servers, undefined).turn
        let port = 0
        for (const { kind, at, weight } of steps) {
          const index = at % Math.max(servers.length, 1)
          const keeper = new TurnKeeper(name, servers, turn)
          if (kind === 'add') {
            port += 1
            servers.unshift(serverOf(weight, port))
            theirs.unshift(serverOf(weight, port))
            keeper.added()
            scheduler.added()
          } else if (kind === 'pick') {
            const picked = pick(servers, turn)
            expect(picked.port).toBe(scheduler.pick(flow)?.port)
            turn = picked.turn
            continue
          } else if (servers.length > 0) {
            if (kind === 'remove') {
              servers.splice(index, 1)
              theirs.splice(index, 1)
              keeper.removed(index)
              scheduler.removed(index)
            } else {
              servers[index] = serverOf(weight, servers[index]?.port ?? 0)
              theirs[index] = serverOf(weight, servers[index].port)
              keeper.edited(index)
              scheduler.edited(index)
            }
          }
          turn = keeper.turn
        }
      }),
      { numRuns: 500 },
    )
  })
})

test('other schedulers have no turn to keep', () => {
  const keeper = new TurnKeeper('wlc', [{ weight: 3 }], undefined)
  const { turn } = keeper
  keeper.added()
  keeper.edited(0)
  keeper.removed(0)
  expect(keeper.turn).toEqual(turn)
})
