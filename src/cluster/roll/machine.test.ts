import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { decide, type ExtraGuest, type RollGuest, type RollStep, type RollView, type RollWish } from './machine.ts'

const old = (name: string, usable = true): RollGuest => ({ name, state: 'old', usable })
const renewed = (name: string, usable = true): RollGuest => ({ name, state: 'new', usable })
const renewing = (name: string): RollGuest => ({ name, state: 'renewing', usable: false })
const extra = (name: string, state: ExtraGuest['state'], usable = state === 'there'): ExtraGuest => ({
  name,
  state,
  usable,
})
const view = (guests: readonly RollGuest[], more: Partial<RollView> = {}): RollView => ({
  guests,
  extras: [],
  limits: { maxUnavailable: 1, surge: 0 },
  wish: 'go',
  hasFailed: false,
  ...more,
})
const surging = { maxUnavailable: 0, surge: 1 }
const words = (steps: readonly RollStep[]): string[] => steps.map(({ kind, guest }) => `${kind} ${guest}`)

type Case = { name: string; view: RollView; steps?: string[]; end?: string }

describe('a roll', () => {
  test.each<Case>([
    { name: 'begins with the first', view: view([old('a'), old('b')]), steps: ['renew a'] },
    { name: 'waits for it', view: view([renewing('a'), old('b')]) },
    { name: 'waits until it serves', view: view([renewed('a', false), old('b'), old('c')]) },
    { name: 'goes on then', view: view([renewed('a'), old('b')]), steps: ['renew b'] },
    { name: 'takes what does not serve first', view: view([old('a'), old('b', false)]), steps: ['renew b'] },
    {
      name: 'takes several at a time when it may',
      view: view([old('a'), old('b'), old('c')], { limits: { maxUnavailable: 2, surge: 0 } }),
      steps: ['renew a', 'renew b'],
    },
    {
      name: 'makes another one before, when none may be without service',
      view: view([old('a'), old('b')], { limits: surging, extras: [extra('x', 'absent')] }),
      steps: ['add x'],
    },
    {
      name: 'makes it again when it was only half made',
      view: view([old('a'), old('b')], { limits: surging, extras: [extra('x', 'there', false)] }),
      steps: ['add x'],
    },
    {
      name: 'goes on when that one serves',
      view: view([old('a'), old('b')], { limits: surging, extras: [extra('x', 'there')] }),
      steps: ['renew a'],
    },
    {
      name: 'takes it away in the end',
      view: view([renewed('a'), renewed('b')], { limits: surging, extras: [extra('x', 'there')] }),
      steps: ['drop x'],
    },
    { name: 'is done', view: view([renewed('a'), renewed('b')], { extras: [extra('x', 'absent')] }), end: 'done' },
    { name: 'begins nothing when it is to pause', view: view([renewing('a'), old('b')], { wish: 'pause' }) },
    {
      name: 'pauses when nothing is under way',
      view: view([renewed('a'), old('b')], { wish: 'pause' }),
      end: 'paused',
    },
    { name: 'has nothing to pause at the end', view: view([renewed('a')], { wish: 'pause' }), end: 'done' },
    {
      name: 'keeps the extra one while it pauses',
      view: view([renewed('a'), old('b')], { wish: 'pause', extras: [extra('x', 'there')] }),
      end: 'paused',
    },
    {
      name: 'takes it away when it ends before its time',
      view: view([renewed('a'), old('b')], { wish: 'abort', extras: [extra('x', 'there')] }),
      steps: ['drop x'],
    },
    { name: 'ends before its time', view: view([renewed('a'), old('b')], { wish: 'abort' }), end: 'aborted' },
    {
      name: 'ends what it had begun, also when it is to end',
      view: view([{ name: 'a', state: 'begun', usable: false }, old('b')], { wish: 'abort' }),
      steps: ['renew a'],
    },
    { name: 'stops at the first failure', view: view([old('a'), old('b')], { hasFailed: true }), end: 'failed' },
    { name: 'lets others end first', view: view([renewing('a'), old('b')], { hasFailed: true }) },
  ])('$name', ({ view, steps = [], end }) => {
    const decision = decide(view)
    expect(words(decision.steps)).toEqual(steps)
    expect(decision.end).toBe(end)
  })

  /** A pool in memory, where what is under way ends in any order. */
  test('whatever the order: enough of them serve, no more than there may be, and it comes to its end', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 7 }),
        fc.integer({ min: 0, max: 3 }),
        fc.integer({ min: 0, max: 3 }),
        fc.array(fc.nat(), { minLength: 40, maxLength: 40 }),
        fc.constantFrom<RollWish>('go', 'pause', 'abort'),
        fc.nat(20),
        (count, unavailable, surge, chances, wish, wishAt) => {
          const maxUnavailable = surge === 0 ? Math.max(1, unavailable) : unavailable
          const guests = Array.from({ length: count }, (_, index) => old(`g${index}`))
          const extras = Array.from({ length: surge }, (_, index) => extra(`x${index}`, 'absent'))
          const limits = { maxUnavailable, surge }
          for (let round = 0; ; round += 1) {
            expect(round).toBeLessThan(200)
            const now = round >= wishAt ? wish : 'go'
            const { steps, end } = decide({ guests, extras, limits, wish: now, hasFailed: false })
            for (const { kind, guest } of steps)
              if (kind === 'renew') guests[guests.findIndex(({ name }) => name === guest)] = renewing(guest)
              else
                extras[extras.findIndex(({ name }) => name === guest)] = extra(
                  guest,
                  kind === 'add' ? 'making' : 'dropping',
                )
            const serving = [...guests, ...extras].filter(({ usable }) => usable).length
            expect(serving).toBeGreaterThanOrEqual(count - maxUnavailable)
            expect(guests.length + extras.filter(({ state }) => state !== 'absent').length).toBeLessThanOrEqual(
              count + surge,
            )
            if (end !== undefined) {
              expect(guests.every(({ state }) => state !== 'renewing')).toBe(true)
              if (end === 'done') expect(guests.every(({ state }) => state === 'new')).toBe(true)
              if (end !== 'paused') expect(extras.every(({ state }) => state === 'absent')).toBe(true)
              if (now === 'go') expect(end).toBe('done')
              return
            }
            const busy = [...guests, ...extras].filter(({ state }) => /^(renewing|making|dropping)$/.test(state))
            expect(busy.length, 'it waits for nothing').toBeGreaterThan(0)
            const ends = busy[(chances[round % chances.length] ?? 0) % busy.length]
            const at = guests.findIndex((one) => one === ends)
            if (at >= 0) guests[at] = renewed(ends?.name ?? '')
            else {
              const place = extras.findIndex((one) => one === ends)
              extras[place] = extra(ends?.name ?? '', ends?.state === 'making' ? 'there' : 'absent')
            }
          }
        },
      ),
    )
  })
})
