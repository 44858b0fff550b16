import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { type Seen, ToldTable } from './told.ts'

const rules = { refreshSeconds: 0 }
const seen = (over: Partial<Seen> = {}): Seen => ({
  id: 7,
  check: 9,
  state: 1,
  endsSeconds: 1900,
  timeoutSeconds: 900,
  news: 'always',
  isTold: true,
  ...over,
})

/** Each look is a pass of its own. */
function looks(all: readonly (readonly [Seen, number])[], own = rules): boolean[] {
  const told = new ToldTable()
  return all.map(([one, now]) => {
    told.begin(1)
    return told.isDue(one, own, now)
  })
}

describe('what backups are told of connections that are looked at', () => {
  test('news once, and each change of state', () => {
    expect(looks([[seen(), 1000], [seen(), 1001], [seen({ state: 4 }), 1002], [seen({ state: 4 }), 1003]])).toEqual([
      true, false, true, false,
    ]) // biome-ignore format: in the order of the looks
  })

  test('not of what is over before they knew it, but of its end when they did', () => {
    const over = seen({ state: 5, news: 'never' })
    expect(looks([[over, 1000]])).toEqual([false])
    expect(
      looks([
        [seen(), 1000],
        [over, 1001],
      ]),
    ).toEqual([true, true])
  })

  test('a state that they are not told of leaves what they know as it is', () => {
    const between = seen({ state: 8, isTold: false, news: 'never' })
    expect(
      looks([
        [seen(), 1000],
        [between, 1001],
        [seen(), 1002],
      ]),
    ).toEqual([true, false, false])
  })

  test('again when what they know is half over and it stands longer, and not while it is silent', () => {
    const later = (endsSeconds: number): Seen => seen({ endsSeconds })
    expect(looks([[later(1900), 1000], [later(2300), 1400], [later(2300), 1451], [later(2300), 1452]])).toEqual([
      true, false, true, false,
    ]) // biome-ignore format: in the order of the looks
    expect(
      looks([
        [later(1900), 1000],
        [later(1900), 1899],
      ]),
    ).toEqual([true, false])
  })

  test('with a refresh period sooner', () => {
    const later = seen({ endsSeconds: 1930 })
    expect(
      looks(
        [
          [seen(), 1000],
          [later, 1030],
        ],
        { refreshSeconds: 30 },
      ),
    ).toEqual([true, true])
    expect(
      looks(
        [
          [seen(), 1000],
          [later, 1030],
        ],
        { refreshSeconds: 31 },
      ),
    ).toEqual([true, false])
  })

  test('where there is no greeting, not before it is heard from again', () => {
    const one = (endsSeconds: number): Seen => seen({ news: 'later', timeoutSeconds: 300, endsSeconds })
    expect(looks([[one(1300), 1000], [one(1300), 1100], [one(1400), 1101], [one(1400), 1102]])).toEqual([
      false, false, true, false,
    ]) // biome-ignore format: in the order of the looks
  })

  test('what has not been seen in a pass is forgotten', () => {
    const told = new ToldTable()
    told.begin(1)
    expect(told.isDue(seen(), rules, 1000)).toBe(true)
    told.begin(0)
    told.begin(1)
    expect(told.isDue(seen(), rules, 1000)).toBe(true)
  })

  test('backups never know less than half the time that one has left, however they are looked at', () => {
    const step = fc.record({ waits: fc.integer({ min: 1, max: 60 }), isHeard: fc.boolean() })
    fc.assert(
      fc.property(fc.array(step, { maxLength: 60 }), fc.integer({ min: 240, max: 900 }), (steps, timeoutSeconds) => {
        const told = new ToldTable()
        let [now, ends, known] = [1000, 1000 + timeoutSeconds, 0]
        for (const { waits, isHeard } of steps) {
          if (isHeard) ends = now + timeoutSeconds
          if (ends <= now) return
          told.begin(1)
          if (told.isDue(seen({ endsSeconds: ends, timeoutSeconds }), rules, now)) known = ends
          // What they know is all of it, or lasts for longer than until the next look.
          expect(known === ends || known - now >= timeoutSeconds / 2).toBe(true)
          now += waits
        }
      }),
    )
  })

  test('many at once are kept apart; beyond what was expected they are told once more, not less', () => {
    const told = new ToldTable()
    const all = Array.from({ length: 5000 }, (_, at) => seen({ id: Math.imul(at, 0x1_0001), check: at }))
    told.begin(5000)
    expect(all.every((one) => told.isDue(one, rules, 1000))).toBe(true)
    told.begin(5000)
    expect(all.some((one) => told.isDue(one, rules, 1000))).toBe(false)
    told.begin(10)
    for (const one of all) told.isDue(one, rules, 1000)
    told.begin(5000)
    const again = all.filter((one) => told.isDue(one, rules, 1000))
    expect(again.length).toBeGreaterThan(0)
    expect(again.length).toBeLessThan(5000)
  })
})
