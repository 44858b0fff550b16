import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { ChangedSlots, changedSlotsMemory } from './changed-slots.ts'

function open(slots: number): ChangedSlots {
  return new ChangedSlots(changedSlotsMemory(slots), slots)
}
function taken(changed: ChangedSlots): number[] {
  const slots: number[] = []
  changed.take((slot) => slots.push(slot))
  return slots.sort((a, b) => a - b)
}

describe('changed slots', () => {
  test.each([1, 31, 32, 33, 1024, 1025, 65_536])('each of %i slots can be marked and is given once', (slots) => {
    const changed = open(slots)
    const some = [...new Set([0, Math.floor(slots / 2), slots - 1])]
    for (const slot of some) changed.mark(slot)
    expect(taken(changed)).toEqual(some)
    expect(taken(changed)).toEqual([])
  })

  test('gives just what was marked since the last time, in any order of marking and taking', () => {
    const slots = 3000
    fc.assert(
      fc.property(fc.array(fc.array(fc.nat(slots - 1))), (rounds) => {
        const changed = open(slots)
        for (const marks of rounds) {
          for (const slot of marks) changed.mark(slot)
          expect(taken(changed)).toEqual([...new Set(marks)].sort((a, b) => a - b))
        }
      }),
    )
  })

  test('a slot marked while it is visited is given again the next time', () => {
    const changed = open(100)
    changed.mark(7)
    changed.take((slot) => changed.mark(slot))
    expect(taken(changed)).toEqual([7])
  })
})
