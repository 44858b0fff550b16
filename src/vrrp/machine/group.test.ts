import { describe, expect, test } from 'vitest'
import { router } from '../../../test/build/vrrp.ts'
import { VirtualLink } from '../../../test/build/vrrp-link.ts'
import type { RouterConfig } from './config.ts'
import { initialGroup, stepGroup } from './group.ts'

const pair = (one: number, two: number): RouterConfig[] => [
  router({ name: 'inside', id: 1, priority: one, isGrouped: true }),
  router({ name: 'outside', id: 2, priority: two, isGrouped: true }),
]

function twoMachines(first: RouterConfig[], second: RouterConfig[]): VirtualLink {
  const link = new VirtualLink([first, second])
  link.do(0, { kind: 'start' })
  link.do(1, { kind: 'start' })
  link.pass(20_000)
  return link
}

describe('routers that are master together', () => {
  test('they become master together, and the others stay backup together', () => {
    const link = twoMachines(pair(150, 150), pair(100, 100))
    expect([link.kinds(0), link.kinds(1)]).toEqual([
      ['master', 'master'],
      ['backup', 'backup'],
    ])
  })

  test('one alone, whose master is gone, waits for the other', () => {
    const members = pair(100, 100)
    let state = stepGroup({ members }, initialGroup({ members }, 0), { kind: 'start', atMs: 0 }).state
    const hear = (atMs: number): void => {
      const heard = {
        kind: 'heard',
        path: 0,
        from: '10.0.0.2',
        own: '10.0.0.1',
        priority: 200,
        intervalMs: 1000,
      } as const
      state = stepGroup({ members }, state, { ...heard, atMs }, 1).state
    }
    for (let atMs = 0; atMs < 20_000; atMs += 500) {
      hear(atMs)
      state = stepGroup({ members }, state, { kind: 'tick', atMs }).state
    }
    expect(state.map(({ kind, isWilling }) => [kind, isWilling])).toEqual([
      ['backup', true],
      ['backup', false],
    ])
  })

  test('a fault of one is a fault of both, said by name, and ends with it', () => {
    const link = twoMachines(pair(150, 150), pair(100, 100))
    link.do(0, { kind: 'tracked', priority: 150, faults: ['eth1 is ill'] }, 1)
    expect(link.kinds(0)).toEqual(['fault', 'fault'])
    link.pass(5000)
    expect(link.kinds(1)).toEqual(['master', 'master'])
    link.do(0, { kind: 'tracked', priority: 150, faults: [] }, 1)
    expect(link.kinds(0)).toEqual(['backup', 'backup'])
    link.pass(10_000)
    expect(link.kinds(0)).toEqual(['master', 'master'])
  })

  test('one that gives way takes the other along', () => {
    const link = twoMachines(pair(150, 150), pair(100, 100))
    const heard = {
      kind: 'heard',
      path: 0,
      from: '10.0.0.9',
      own: '10.0.0.1',
      priority: 200,
      intervalMs: 1000,
    } as const
    link.do(0, heard, 1)
    expect(link.kinds(0)).toEqual(['backup', 'backup'])
    expect(link.wrongs).toEqual([])
  })

  test('both faults must end', () => {
    const link = twoMachines(pair(150, 150), pair(100, 100))
    for (const member of [0, 1]) link.do(0, { kind: 'tracked', priority: 150, faults: ['ill'] }, member)
    link.do(0, { kind: 'tracked', priority: 150, faults: [] }, 0)
    expect(link.kinds(0)).toEqual(['fault', 'fault'])
    link.do(0, { kind: 'tracked', priority: 150, faults: [] }, 1)
    expect(link.kinds(0)).toEqual(['backup', 'backup'])
  })

  test('where each machine is higher for one of the routers, one of them has both', () => {
    const link = twoMachines(pair(150, 100), pair(100, 150))
    const kinds = [link.kinds(0), link.kinds(1)]
    expect(kinds.map((group) => new Set(group).size)).toEqual([1, 1])
    expect(kinds.filter(([kind]) => kind === 'master').length).toBeLessThanOrEqual(1)
  })

  test('an owner in a group waits for the others, too', () => {
    const members = pair(255, 100)
    const { state } = stepGroup({ members }, initialGroup({ members }, 0), { kind: 'start', atMs: 0 })
    expect(state.map(({ kind }) => kind)).toEqual(['backup', 'backup'])
    const link = twoMachines(members, pair(100, 90))
    expect(link.kinds(0)).toEqual(['master', 'master'])
  })
})
