import { describe, expect, test } from 'vitest'
import {
  type GuestSample,
  guestRows,
  initialState,
  type Sample,
  type ServerSample,
  type State,
  serviceRows,
  step,
} from './model.ts'

const guest = (name: string, cpuSeconds: number, residentBytes = 1): GuestSample => ({
  name,
  state: 'running',
  memoryBytes: 2,
  cpuSeconds,
  residentBytes,
})
const server = (address: string, connections: number, bytes = 0): ServerSample => ({
  address,
  guest: null,
  weight: 1,
  health: 'healthy',
  drained: false,
  active: 0,
  inactive: 0,
  connections,
  bytes,
})
const sample = (atMs: number, guests: readonly GuestSample[], servers: readonly ServerSample[] = []): Sample => ({
  atMs,
  guests,
  services: [{ name: 'www', address: '127.0.0.1:80', scheduler: 'rr', connections: 0, bytes: 0, servers }],
  problem: undefined,
})

function after(...samples: readonly Sample[]): State {
  return samples.reduce((state, one) => step(state, { kind: 'sample', sample: one }).state, initialState)
}
const press = (state: State, keys: string): State =>
  keys.split(' ').reduce((before, key) => step(before, { kind: 'key', key }).state, state)

describe('top machine', () => {
  test('the first sample has no rates: there is nothing to compare it with', () => {
    const state = after(sample(0, [guest('a', 5)], [server('10.0.0.1:80', 7)]))
    expect(guestRows(state)[0]?.cpuPercent).toBeUndefined()
    expect(serviceRows(state)[0]?.servers[0]?.connectionsPerSecond).toBe(0)
  })

  test('rates are differences over the time between the samples', () => {
    const state = after(
      sample(0, [guest('a', 5)], [server('10.0.0.1:80', 7, 100)]),
      sample(2000, [guest('a', 6)], [server('10.0.0.1:80', 17, 300)]),
    )
    expect(guestRows(state)[0]?.cpuPercent).toBe(50)
    expect(serviceRows(state)[0]?.servers[0]).toMatchObject({ connectionsPerSecond: 5, bytesPerSecond: 100 })
  })

  test('a counter that went back (the guest was started again) gives no rate', () => {
    const state = after(sample(0, [guest('a', 5)]), sample(1000, [guest('a', 1)]))
    expect(guestRows(state)[0]?.cpuPercent).toBeUndefined()
  })

  test('the busiest stands first, equals by name with numbers as numbers', () => {
    const busy = after(
      sample(0, [guest('web-10', 0), guest('web-2', 0), guest('db', 0)]),
      sample(1000, [guest('web-10', 0), guest('web-2', 0), guest('db', 1)]),
    )
    expect(guestRows(busy).map(({ name }) => name)).toEqual(['db', 'web-2', 'web-10'])
  })

  test.each([
    { key: 'n', first: 'a' },
    { key: 'c', first: 'b' },
    { key: 'm', first: 'c' },
  ])('key $key sorts', ({ key, first }) => {
    const samples = [
      sample(0, [guest('a', 0), guest('b', 0), guest('c', 0, 9)]),
      sample(1000, [guest('a', 0), guest('b', 1), guest('c', 0, 9)]),
    ]
    expect(guestRows(press(after(...samples), key))[0]?.name).toBe(first)
  })

  test('the selection walks over guests and servers and stays on its row when the order changes', () => {
    const state = press(after(sample(0, [guest('a', 0), guest('b', 0)], [server('10.0.0.1:80', 0)])), 'down down')
    expect(state.selected).toEqual({ kind: 'guest', guest: 'b' })
    const busy = step(state, { kind: 'sample', sample: sample(1000, [guest('a', 0), guest('b', 1)], []) }).state
    expect(guestRows(busy)[0]?.name).toBe('b')
    expect(busy.selected).toEqual({ kind: 'guest', guest: 'b' })
    expect(press(state, 'down').selected).toEqual({
      kind: 'server',
      service: '127.0.0.1:80',
      address: '10.0.0.1:80',
      guest: null,
    })
  })

  test('what is gone is not selected any more', () => {
    const state = press(after(sample(0, [guest('a', 0)])), 'down')
    expect(step(state, { kind: 'sample', sample: sample(1000, []) }).state.selected).toBeUndefined()
  })

  test('d drains and u undrains what is selected; with nothing selected it says so', () => {
    const state = after(sample(0, [guest('a', 0)]))
    expect(step(state, { kind: 'key', key: 'd' })).toMatchObject({
      state: { message: 'nothing is selected' },
      effects: [],
    })
    const selected = press(state, 'down')
    const target = { kind: 'guest', guest: 'a' }
    expect(step(selected, { kind: 'key', key: 'd' }).effects).toEqual([{ kind: 'drain', target }])
    expect(step(selected, { kind: 'key', key: 'u' }).effects).toEqual([{ kind: 'undrain', target }])
  })

  test.each(['q', 'ctrl-c', 'escape'])('%s quits', (key) => {
    expect(step(initialState, { kind: 'key', key }).effects).toEqual([{ kind: 'quit' }])
  })
})
