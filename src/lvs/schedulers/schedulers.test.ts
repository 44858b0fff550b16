import { describe, expect, test } from 'vitest'
import { Scheduling, type SchedulingOptions, withWeights } from '../../../test/build/scheduling.ts'
import type { SchedulerName } from '../service.ts'

const digits = (text: string): (number | 'none')[] =>
  text.split('').map((digit) => (digit === '-' ? 'none' : Number(digit)))

describe('schedulers pick as Linux was seen to', () => {
  const udp: SchedulingOptions = { counts: 'inactive' }
  test.each<{ name: SchedulerName; weights: number[]; picks: string; options?: SchedulingOptions }>([
    { name: 'rr', weights: [1, 1, 1], picks: '4324324' },
    { name: 'rr', weights: [5, 0, 1], picks: '42424' },
    { name: 'wrr', weights: [5, 1, 1], picks: '4322222432222243' },
    { name: 'wrr', weights: [4, 3, 2], picks: '432232432432232' },
    { name: 'wrr', weights: [1, 2, 3], picks: '432443432443' },
    { name: 'wrr', weights: [10, 20], picks: '323323323323323323323323' },
    { name: 'lc', weights: [5, 1, 3], picks: '432432432' },
    { name: 'wlc', weights: [5, 1, 3], picks: '4322422424322422' },
    { name: 'wlc', weights: [5, 1, 3], picks: '4322422424322422', options: udp },
    { name: 'sed', weights: [5, 1, 3], picks: '2422424322422424' },
    { name: 'sed', weights: [5, 1, 3], picks: '22222222', options: udp },
    { name: 'nq', weights: [5, 1, 3], picks: '4322242422422424' },
    { name: 'nq', weights: [5, 1, 3], picks: '44444444', options: udp },
    { name: 'fo', weights: [5, 1, 3], picks: '222222' },
    { name: 'ovf', weights: [1, 1, 1], picks: '443322--' },
    { name: 'ovf', weights: [5, 1, 3], picks: '222222444433--' },
  ])('$name with weights $weights picks $picks', ({ name, weights, picks, options }) => {
    expect(withWeights(name, weights, options).picks(picks.length)).toEqual(digits(picks))
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

  test('wrr starts at the head again after a pass in which nobody was usable', () => {
    const wrr = withWeights('wrr', [1, 1, 2])
    // The last pick was made at the upper bar, 2.
    expect(wrr.picks(4)).toEqual(digits('4324'))
    for (const server of [2, 3, 4]) wrr.set(server, { overloaded: true })
    expect(wrr.picks(1)).toEqual(['none'])
    for (const server of [2, 3, 4]) wrr.set(server, { overloaded: false })
    expect(wrr.picks(4)).toEqual(digits('4432'))
  })

  test('wrr takes no time over weights far apart when the heavy server is overloaded', () => {
    const wrr = withWeights('wrr', [2 ** 31 - 1, 1])
    wrr.set(2, { overloaded: true })
    expect(wrr.picks(3)).toEqual([3, 3, 3])
    wrr.set(3, { overloaded: true })
    expect(wrr.picks(2)).toEqual(['none', 'none'])
    wrr.set(2, { overloaded: false })
    expect(wrr.picks(3)).toEqual([2, 2, 2])
  })

  test('wrr never comes down to a drained server', () => {
    const wrr = withWeights('wrr', [0, 100, 1])
    for (const server of [3, 4]) wrr.set(server, { overloaded: true })
    expect(wrr.picks(5)).toEqual(Array(5).fill('none'))
  })

  test('fo fails over in the order of weights, and comes back', () => {
    const fo = withWeights('fo', [5, 1, 3])
    fo.set(2, { overloaded: true })
    expect(fo.picks(2)).toEqual([4, 4])
    fo.edit(4, 0)
    expect(fo.picks(2)).toEqual([3, 3])
    fo.set(2, { overloaded: false })
    expect(fo.picks(2)).toEqual([2, 2])
  })

  test('ovf counts active connections only', () => {
    const ovf = withWeights('ovf', [2, 1], { counts: 'inactive' })
    expect(ovf.picks(9)).toEqual(Array(9).fill(2))
    ovf.set(2, { active: 3 })
    expect(ovf.picks(1)).toEqual([3])
    ovf.set(2, { active: 2 })
    expect(ovf.picks(1)).toEqual([2])
  })

  test('none picks nobody', () => {
    const none = new Scheduling('none')
    none.add(2, 1)
    expect(none.picks(3)).toEqual(['none', 'none', 'none'])
  })
})

describe('twos', () => {
  const drawing = (...draws: number[]): (() => number) => {
    let at = 0
    return () => draws[at++ % draws.length] ?? 0
  }

  test.each([
    // Of the total 9, in list order 4 (3), 3 (1), 2 (5): draws up to 3 mean 4, 4 means 3, above means 2.
    { left: 0, right: 0, picks: 4 },
    { left: 0.35, right: 0.35, picks: 4 },
    { left: 0.45, right: 0.45, picks: 3 },
    { left: 0.55, right: 0.55, picks: 2 },
    { left: 0.999, right: 0.999, picks: 2 },
  ])('draws $left and $right of the weights pick $picks', ({ left, right, picks }) => {
    expect(withWeights('twos', [5, 1, 3], { random: drawing(left, right) }).picks(1)).toEqual([picks])
  })

  test('takes the second only when it has fewer connections for its weight', () => {
    const twos = withWeights('twos', [5, 1, 3], { random: drawing(0, 0.9), counts: 'none' })
    expect(twos.picks(1)).toEqual([4])
    twos.set(4, { active: 3 })
    twos.set(2, { active: 5 })
    expect(twos.picks(1)).toEqual([4])
    twos.set(4, { inactive: 1 })
    expect(twos.picks(1)).toEqual([2])
  })
})
