import { describe, expect, test } from 'vitest'
import { Lateness } from './lateness.ts'

function openWorld(places: { limit: number; waiting: number; isFull: boolean }) {
  const told: (string | undefined)[] = []
  const clock = { ms: 0 }
  const lateness = new Lateness({ now: () => clock.ms, places: [places], onTrouble: (trouble) => told.push(trouble) })
  return { told, clock, lateness, places }
}

describe('lateness', () => {
  test('a check is late by a quarter of its interval, and a second at least', () => {
    const { told, lateness } = openWorld({ limit: 5, waiting: 0, isFull: false })
    lateness.begun(999, 1000)
    lateness.begun(2499, 10_000)
    expect(told).toEqual([])
    lateness.begun(2500, 10_000)
    expect(told).toEqual(['checks begin late, up to now by 2.5 s: the director is too busy'])
  })

  test('where all places are taken, that is the reason', () => {
    const { told, lateness } = openWorld({ limit: 5, waiting: 7, isFull: true })
    lateness.begun(1000, 1000)
    expect(told[0]).toBe(
      'checks begin late, up to now by 1.0 s: no more than 5 at once are run, by the open-file limit, and 7 wait',
    )
  })

  test('it is told once, and its end once, when all has been well for a while', () => {
    const { told, clock, lateness } = openWorld({ limit: 5, waiting: 0, isFull: false })
    lateness.begun(1000, 1000)
    lateness.begun(5000, 1000)
    clock.ms = 20_000
    lateness.begun(5000, 1000)
    clock.ms = 45_000
    lateness.begun(0, 1000)
    expect(told).toHaveLength(1)
    clock.ms = 51_000
    lateness.begun(0, 1000)
    expect(told).toEqual([expect.any(String), undefined])
    expect(lateness.trouble()).toBeUndefined()
  })

  test('a check that cannot run is a trouble, too', () => {
    const { lateness } = openWorld({ limit: 5, waiting: 0, isFull: false })
    lateness.ran(undefined)
    expect(lateness.trouble()).toBeUndefined()
    lateness.ran('10.0.0.1:80: EMFILE')
    expect(lateness.trouble()).toBe('checks cannot run, and health stays as it is: 10.0.0.1:80: EMFILE')
  })
})
