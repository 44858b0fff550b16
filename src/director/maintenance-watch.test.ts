import { describe, expect, test } from 'vitest'
import { buildServer, buildWanted } from '../../test/build/services.ts'
import { type FakeTiming, fakeTiming } from '../health/fake-timing.ts'
import type { ClusterServices } from './control.ts'
import { type MaintenanceSource, type MaintenanceWatch, openMaintenanceWatch } from './maintenance-watch.ts'

const server = buildServer(1001, { address: '10.0.0.1' })
const shop: ClusterServices = { cluster: 'shop', services: [buildWanted({ servers: [server] })], maintenance: '/maint' }

type World = { watch: MaintenanceWatch; timing: FakeTiming; troubles: string[]; changes: () => number }

function open(source: Partial<MaintenanceSource>): World {
  const timing = fakeTiming()
  const troubles: string[] = []
  let changes = 0
  const watch = openMaintenanceWatch({
    source: { list: async () => [], namesOf: async () => [], ...source },
    timing,
    onChange: () => void (changes += 1),
    onTrouble: (cluster, reason) => troubles.push(`${cluster}: ${reason}`),
  })
  return { watch, timing, troubles, changes: () => changes }
}

describe('the watch of maintenance directories', () => {
  test('one that does not answer is waited for two seconds, asked once, and keeps what was known', async () => {
    let asked = 0
    let answer: ((files: string[]) => void) | undefined
    const { watch, timing, troubles, changes } = open({
      list: () => {
        asked += 1
        return asked === 1 ? Promise.resolve(['10.0.0.1']) : new Promise((resolve) => (answer = resolve))
      },
    })
    await watch.follow([shop])
    await timing.advance(30_000)
    expect(watch.holds('shop', server)).toBe(true)
    expect(asked).toBe(2)
    expect(troubles).toEqual(['shop: the maintenance directory /maint does not answer'])
    expect(watch.problems()).toHaveLength(1)
    answer?.([])
    await timing.advance(0)
    expect(watch.holds('shop', server)).toBe(false)
    expect(watch.problems()).toEqual([])
    expect(changes()).toBe(1)
    await watch[Symbol.asyncDispose]()
  })

  test('a directory that may not be read keeps what was known; a removed one does not', async () => {
    let code: string | undefined
    const { watch, timing, troubles } = open({
      list: async () => {
        if (code !== undefined) throw Object.assign(new Error(code), { code })
        return ['10.0.0.1']
      },
    })
    await watch.follow([shop])
    code = 'EACCES'
    await timing.advance(5000)
    expect(watch.holds('shop', server)).toBe(true)
    code = 'ENOENT'
    await timing.advance(5000)
    expect(watch.holds('shop', server)).toBe(false)
    expect(troubles).toHaveLength(2)
    await watch[Symbol.asyncDispose]()
    expect(timing.pending()).toBe(0)
  })

  test('addresses are looked up only for names, and each once a minute', async () => {
    let files = ['10.0.0.9']
    let lookups = 0
    const { watch, timing, changes } = open({
      list: async () => files,
      namesOf: async () => {
        lookups += 1
        return lookups < 3 ? ['web.shop'] : []
      },
    })
    await watch.follow([shop])
    await timing.advance(10_000)
    expect(lookups).toBe(0)
    files = ['web']
    await timing.advance(1000)
    expect(watch.holds('shop', server)).toBe(true)
    await timing.advance(30_000)
    expect(lookups).toBe(1)
    const before = changes()
    await timing.advance(120_000)
    expect(lookups).toBe(3)
    expect(watch.holds('shop', server)).toBe(false)
    expect(changes()).toBe(before + 1)
    await watch[Symbol.asyncDispose]()
  })

  test('names that never come hold nobody up for long', async () => {
    const { watch, timing } = open({ list: async () => ['web', '10.0.0.1:1001'], namesOf: () => new Promise(() => {}) })
    const following = watch.follow([shop])
    await timing.advance(2000)
    await following
    expect(watch.holds('shop', server)).toBe(true)
    await watch[Symbol.asyncDispose]()
    expect(timing.pending()).toBe(0)
  })

  test('more files than anybody has are not all heeded, and that is said', async () => {
    const { watch, troubles, timing } = open({ list: async () => [...Array(10_001).keys()].map((at) => `host-${at}`) })
    await watch.follow([shop])
    await timing.advance(3000)
    expect(troubles).toEqual([expect.stringContaining('has more than 10000 files')])
    await watch[Symbol.asyncDispose]()
  })
})
