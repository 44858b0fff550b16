import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { linearLocality } from '../../../test/build/linear-locality.ts'
import { buildFlow, Scheduling, withWeights, words } from '../../../test/build/scheduling.ts'
import { Locality } from './locality.ts'
import type { Flow } from './scheduler.ts'

const minute = 60_000
const to = (destination: string, atMs = 0): Flow => buildFlow({ destination, atMs })
const [a, b, c] = ['10.60.0.1', '10.60.0.2', '10.60.0.3'] as const
/** Ticks each minute, the last one at `untilMs`. */
function pass(made: Scheduling, fromMs: number, untilMs: number): void {
  for (let at = fromMs + minute; at <= untilMs; at += minute) made.scheduler.tick?.(at)
}

type Step = {
  readonly kind: 'add' | 'edit' | 'remove' | 'overload' | 'fin' | 'close' | 'try' | 'pick'
  readonly n: number
  readonly weight: number
}
const steps = fc.array(
  fc.record<Step>({
    kind: fc.constantFrom('add', 'edit', 'remove', 'overload', 'fin', 'close', 'try', 'pick', 'pick', 'pick', 'pick'),
    n: fc.nat(40),
    weight: fc.nat(4),
  }),
  { maxLength: 150 },
)

/** The same in any service; servers come back at endpoints that they had before. */
function change(made: Scheduling, { kind, n, weight }: Step): void {
  if (kind === 'add' && made.list.every(({ name }) => name !== n % 7)) made.add(n % 7, weight)
  const server = made.list[n % Math.max(made.list.length, 1)]
  if (server === undefined) return
  const { name, active, inactive, overloaded } = server
  if (kind === 'remove') made.remove(name)
  else if (kind === 'edit') made.edit(name, weight)
  else if (kind === 'overload') made.set(name, { overloaded: !overloaded })
  else if (kind === 'fin' && active > 0) made.set(name, { active: active - 1, inactive: inactive + 1 })
  else if (kind === 'close') made.set(name, { active: 0, inactive: 0 })
}

describe.each(['lblc', 'lblcr'] as const)('%s', (name) => {
  test('decides as a walk through all servers does, through any changes', () => {
    fc.assert(
      fc.property(steps, (all) => {
        // So short that sets shrink, and nothing is forgotten without ticks.
        const sysctls = { lblc_expiration: 20, lblcr_expiration: 20 }
        const own = new Scheduling(name, { sysctls })
        const linear = new Scheduling(linearLocality[name], { sysctls })
        all.forEach((step, number) => {
          for (const made of [own, linear]) change(made, step)
          const flow = to(`10.60.0.${step.n % 4}`, number * 1000)
          const picked = own.pick(flow)
          expect(picked).toBe(linear.pick(flow))
          if (step.kind !== 'try' || picked === 'none') return
          const { overloaded } = own.at(picked)
          for (const made of [own, linear]) made.set(picked, { isTried: true, overloaded: true })
          expect(own.pick(flow)).toBe(linear.pick(flow))
          for (const made of [own, linear]) made.set(picked, { isTried: false, overloaded })
        })
      }),
      { numRuns: 1000 },
    )
  })

  test('keeps a destination with its server, and chooses for new ones as wlc does', () => {
    const made = withWeights(name, [2, 2, 2])
    expect([a, b, c].map((destination) => made.pick(to(destination)))).toEqual([4, 3, 2])
    expect([c, b, a].map((destination) => made.pick(to(destination)))).toEqual([2, 3, 4])
  })

  test('keeps it also when others have fewer connections, up to its weight and one more', () => {
    const made = withWeights(name, [2, 2])
    expect(Array.from({ length: 4 }, () => made.pick(to(a)))).toEqual([3, 3, 3, 2])
  })

  test('keeps it even then, when nobody else has room', () => {
    const made = withWeights(name, [2, 2])
    made.set(2, { active: 1 })
    expect(Array.from({ length: 6 }, () => made.pick(to(a)))).toEqual(Array(6).fill(2 + 1))
    made.set(2, { active: 0 })
    expect(made.pick(to(a))).toBe(2)
  })

  test('leaves a server that is drained or removed', () => {
    const made = withWeights(name, [2, 2, 2])
    expect(made.pick(to(a))).toBe(4)
    made.edit(4, 0)
    expect(made.pick(to(a))).toBe(3)
    made.remove(3)
    expect(made.pick(to(a))).toBe(2)
    made.remove(2)
    expect(made.pick(to(a))).toBe('none')
  })

  test('does not take a tried server again, and stays with the one that was reached', () => {
    const made = withWeights(name, [2, 2])
    expect(made.pick(to(a))).toBe(3)
    made.set(3, { isTried: true, overloaded: true })
    expect(made.pick(to(a))).toBe(2)
    made.set(3, { isTried: false, overloaded: false, active: 0 })
    made.set(2, { active: 0 })
    // lblcr has both in its set now, the newer first.
    expect(made.pick(to(a))).toBe(2)
  })

  test('a server that comes back at its endpoint has its destinations again', () => {
    const made = withWeights(name, [2, 2], { counts: 'none' })
    expect(made.pick(to(a))).toBe(3)
    made.remove(3)
    made.add(3, 2)
    // Another is newer, and as idle.
    made.add(4, 2)
    expect(made.pick(to(b))).toBe(4)
    expect(made.pick(to(a))).toBe(3)
  })

  test('tells addresses apart that share a bucket, and IPv6 ones', () => {
    const made = withWeights(name, [9, 9], { counts: 'none' })
    const destinations = Array.from({ length: 3000 }, (_, at) => `fd60::${(at + 1).toString(16)}`)
    const first = destinations.map((destination, at) => {
      made.set(at % 2 === 0 ? 2 : 3, { inactive: 1 })
      made.set(at % 2 === 0 ? 3 : 2, { inactive: 0 })
      return made.pick(to(destination))
    })
    expect(first.filter((server) => server === 3).length).toBe(1500)
    expect(destinations.map((destination) => made.pick(to(destination)))).toEqual(first)
  })

  test('forgets a destination after a day without use, at the next half-hourly check', () => {
    const day = 24 * 60 * minute
    const made = withWeights(name, [2, 2], { counts: 'none' })
    expect(made.pick(to(a, 0))).toBe(3)
    expect(made.pick(to(b, 60 * minute))).toBe(3)
    pass(made, 0, day)
    made.set(3, { inactive: 1 })
    expect(made.pick(to(b, day))).toBe(3)
    expect(made.pick(to(a, day))).toBe(2)
  })

  test('heeds the sysctls, also when they change', () => {
    const sysctls = { lblc_expiration: 86_400, lblcr_expiration: 86_400 }
    const made = withWeights(name, [2, 2], { counts: 'none', sysctls })
    expect(made.pick(to(a, 0))).toBe(3)
    made.set(3, { inactive: 1 })
    pass(made, 0, 60 * minute)
    expect(made.pick(to(a, 60 * minute))).toBe(3)
    Object.assign(sysctls, { lblc_expiration: 600, lblcr_expiration: 600 })
    pass(made, 60 * minute, 120 * minute)
    expect(made.pick(to(a, 120 * minute))).toBe(2)
  })
})

test('lblc keeps a destination with a server that is over its threshold, as the kernel does', () => {
  const lblc = withWeights('lblc', [2, 2])
  expect(lblc.pick(to(a))).toBe(3)
  lblc.set(3, { overloaded: true })
  expect(lblc.pick(to(a))).toBe(3)
  expect(lblc.pick(to(b))).toBe(2)
})

describe('lblcr', () => {
  test('does not go to a server that is over its threshold', () => {
    const lblcr = withWeights('lblcr', [2, 2])
    expect(lblcr.pick(to(a))).toBe(3)
    lblcr.set(3, { overloaded: true })
    expect(lblcr.pick(to(a))).toBe(2)
  })

  test('goes to the least loaded of a set, where a newer member comes first', () => {
    const lblcr = withWeights('lblcr', [2, 2], { counts: 'none' })
    expect(lblcr.pick(to(a))).toBe(3)
    lblcr.set(3, { active: 3 })
    expect(lblcr.pick(to(a))).toBe(2)
    lblcr.set(3, { active: 1 })
    lblcr.set(2, { active: 2 })
    expect(lblcr.pick(to(a))).toBe(3)
    lblcr.set(2, { active: 1 })
    expect(lblcr.pick(to(a))).toBe(2)
  })

  test('the fullest leaves a set that has not changed for so long, though it is used once more', () => {
    const sysctls = { lblc_expiration: 600, lblcr_expiration: 600 }
    const lblcr = withWeights('lblcr', [4, 4], { counts: 'none', sysctls })
    expect(lblcr.pick(to(a, 0))).toBe(3)
    lblcr.set(3, { active: 5 })
    expect(lblcr.pick(to(a, 1000))).toBe(2)
    // Both have the same load: 2 is the first of the set, the least and the fullest of it.
    lblcr.set(2, { active: 5 })
    expect(lblcr.pick(to(a, 601_000))).toBe(2)
    expect(lblcr.pick(to(a, 601_001))).toBe(2)
    expect(lblcr.pick(to(a, 601_002))).toBe(3)
    // The last one stays.
    expect(lblcr.pick(to(a, 9_000_000))).toBe(3)
  })

  test('one that left the set joins again when it is needed', () => {
    const sysctls = { lblc_expiration: 600, lblcr_expiration: 600 }
    const lblcr = withWeights('lblcr', [4, 4], { counts: 'none', sysctls })
    lblcr.pick(to(a, 0))
    lblcr.set(3, { active: 5 })
    expect(lblcr.pick(to(a, 0))).toBe(2)
    lblcr.set(2, { active: 1 })
    // 3 leaves.
    expect(lblcr.pick(to(a, 600_001))).toBe(2)
    lblcr.set(3, { active: 0 })
    expect(lblcr.pick(to(a, 600_002))).toBe(2)
    lblcr.set(2, { active: 5 })
    expect(lblcr.pick(to(a, 600_003))).toBe(3)
  })
})

describe('what is remembered of destinations', () => {
  const address = (at: number): readonly number[] => [at * 2_654_435]
  const fill = (table: Locality<number>, from: number, until: number, atMs: number): number => {
    let taken = 0
    for (let at = from; at < until; at++) if (table.add(address(at), at, atMs)) taken += 1
    return taken
  }
  const present = (table: Locality<number>, until: number): number[] =>
    Array.from({ length: until }, (_, at) => at).filter((at) => table.get(address(at)) !== undefined)

  test('is up to 24,576 entries', () => {
    const table = new Locality<number>(() => undefined)
    expect(fill(table, 0, 30_000, 0)).toBe(24_576)
    expect(present(table, 30_000).length).toBe(24_576)
    expect(table.get(address(24_575))?.value).toBe(24_575)
  })

  test('is not cut down below 16,385 entries before it expires', () => {
    const table = new Locality<number>(() => undefined)
    fill(table, 0, 16_384, 0)
    for (let tick = 1; tick <= 200; tick++) table.tick(tick * minute, 86_400)
    expect(present(table, 16_384).length).toBe(16_384)
  })

  test('above that loses what was idle for six minutes, four thirds of the surplus at a time, and says so', () => {
    const gone: number[] = []
    const table = new Locality<number>((value) => gone.push(value))
    fill(table, 0, 10_000, 0)
    fill(table, 10_000, 19_384, 2 * minute)
    table.tick(6 * minute - 1, 86_400)
    expect(gone).toEqual([])
    table.tick(6 * minute, 86_400)
    // Whole buckets of about 19 each.
    expect(gone.length).toBeGreaterThanOrEqual(4000)
    expect(gone.length).toBeLessThan(4040)
    expect(Math.max(...gone)).toBeLessThan(10_000)
    const left = present(table, 19_384)
    expect(left.length + gone.length).toBe(19_384)
    expect(left.filter((at) => gone.includes(at))).toEqual([])
  })

  test('loses 8,192 at a time at the most, and goes on where it stopped', () => {
    let gone: number[] = []
    const table = new Locality<number>((value) => gone.push(value))
    fill(table, 0, 24_576, 0)
    table.tick(6 * minute, 86_400)
    expect(gone.length).toBeGreaterThanOrEqual(8192)
    expect(gone.length).toBeLessThan(8192 + 60)
    const back = gone.slice(0, 3000)
    for (const at of back) table.add(address(at), at, 6 * minute)
    gone = []
    table.tick(12 * minute, 86_400)
    expect(gone.length).toBeGreaterThan(2500)
    expect(gone.filter((at) => back.includes(at))).toEqual([])
  })

  test('loses all that has expired at every thirtieth tick', () => {
    const gone: number[] = []
    const table = new Locality<number>((value) => gone.push(value))
    const lost = (tick: number): number[] => {
      table.tick(tick * minute, 60)
      return gone.splice(0)
    }
    table.add([1], 1, 0)
    for (let tick = 1; tick < 30; tick++) expect(lost(tick)).toEqual([])
    table.add([2], 2, 29 * minute + 1)
    expect(lost(30)).toEqual([1])
    for (let tick = 31; tick < 60; tick++) expect(lost(tick)).toEqual([])
    expect(lost(60)).toEqual([2])
  })

  test('an IPv4 address is not an IPv6 one with the same fold', () => {
    const table = new Locality<string>(() => undefined)
    table.add(words('10.0.0.1'), 'four', 0)
    expect(table.get([0x0a000001, 0, 0, 0])).toBeUndefined()
    table.add([0x0a000001, 0, 0, 0], 'six', 0)
    expect(table.get(words('10.0.0.1'))?.value).toBe('four')
    expect(table.get([0x0a000001, 0, 0, 0])?.value).toBe('six')
    // Signed words are the same words.
    table.add(words('192.0.2.1'), 'high', 0)
    expect(table.get([0xc0000201 | 0])?.value).toBe('high')
  })
})
