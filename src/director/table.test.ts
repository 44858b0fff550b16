import { describe, expect, test } from 'vitest'
import { buildServer, buildWanted } from '../../test/build/services.ts'
import type { RealServer } from '../lvs/service.ts'
import type { Quorum, WantedService } from './control.ts'
import type { DrainTarget, Health } from './states.ts'
import { type LookAt, wantedTable } from './table.ts'

const tableOf = (
  wanted: WantedService,
  health: Record<number, Health>,
  drains: readonly DrainTarget[] = [],
): readonly (readonly [string, RealServer])[] => {
  const table = wantedTable([{ cluster: 'shop', services: [wanted] }], {
    look: (_cluster, _service, server) => ({ health: health[server.port] ?? 'healthy' }),
    drains,
    nowMs: 0,
    thresholds: true,
  })
  const entry = [...table.values()][0]
  return [...(entry?.servers ?? [])]
}
const weights = (...about: Parameters<typeof tableOf>): Record<string, number> =>
  Object.fromEntries(tableOf(...about).map(([key, { weight }]) => [key, weight]))
const fallback = { address: '127.0.0.9', port: 9 }

describe('wanted table', () => {
  test.each<{
    name: string
    wanted: WantedService
    health: Record<number, Health>
    drains?: readonly DrainTarget[]
    expected: Record<string, number>
  }>([
    {
      name: 'healthy servers take connections',
      wanted: buildWanted(),
      health: {},
      expected: { '127.0.0.1:1001': 1, '127.0.0.1:1002': 1 },
    },
    {
      name: 'a sick server is drained',
      wanted: buildWanted(),
      health: { 1001: 'unhealthy' },
      expected: { '127.0.0.1:1001': 0, '127.0.0.1:1002': 1 },
    },
    {
      name: 'or removed, when the service says so',
      wanted: buildWanted({ onFailure: 'remove' }),
      health: { 1001: 'unhealthy' },
      expected: { '127.0.0.1:1002': 1 },
    },
    {
      name: 'a server not probed yet gets nothing',
      wanted: buildWanted(),
      health: { 1001: 'unknown' },
      expected: { '127.0.0.1:1001': 0, '127.0.0.1:1002': 1 },
    },
    {
      name: 'a server without a check is trusted',
      wanted: buildWanted(),
      health: { 1001: 'unchecked' },
      expected: { '127.0.0.1:1001': 1, '127.0.0.1:1002': 1 },
    },
    {
      name: 'a drain by hand holds whatever the check says',
      wanted: buildWanted({ onFailure: 'remove' }),
      health: { 1001: 'unhealthy' },
      drains: [{ endpoint: { address: '127.0.0.1', port: 1001 } }],
      expected: { '127.0.0.1:1001': 0, '127.0.0.1:1002': 1 },
    },
    {
      name: 'port 0 drains every port of an address',
      wanted: buildWanted(),
      health: {},
      drains: [{ endpoint: { address: '127.0.0.1', port: 0 } }],
      expected: { '127.0.0.1:1001': 0, '127.0.0.1:1002': 0 },
    },
    {
      name: 'a guest is drained by its name',
      wanted: buildWanted({ servers: [buildServer(1001, { guest: 'web-1' }), buildServer(1002)] }),
      health: {},
      drains: [{ guest: 'web-1' }],
      expected: { '127.0.0.1:1001': 0, '127.0.0.1:1002': 1 },
    },
    {
      name: 'the fallback steps in when nobody is usable',
      wanted: buildWanted({ fallback }),
      health: { 1001: 'unhealthy', 1002: 'unhealthy' },
      expected: { '127.0.0.1:1001': 0, '127.0.0.1:1002': 0, '127.0.0.9:9': 1 },
    },
    {
      name: 'and only then',
      wanted: buildWanted({ fallback }),
      health: { 1001: 'unhealthy' },
      expected: { '127.0.0.1:1001': 0, '127.0.0.1:1002': 1 },
    },
  ])('$name', ({ wanted, health, drains, expected }) => {
    expect(weights(wanted, health, drains)).toEqual(expected)
  })

  test.each<{ name: string; quorum: Quorum; well: number; was: boolean; serves: boolean }>([
    { name: 'the quorum is reached', quorum: { weight: 4, hysteresis: 0 }, well: 4, was: false, serves: true },
    { name: 'it is not', quorum: { weight: 4, hysteresis: 0 }, well: 3, was: true, serves: false },
    {
      name: 'hysteresis keeps what was enough',
      quorum: { weight: 4, hysteresis: 2 },
      well: 2,
      was: true,
      serves: true,
    },
    { name: 'down to itself', quorum: { weight: 4, hysteresis: 2 }, well: 1, was: true, serves: false },
    {
      name: 'and wants more of what was not',
      quorum: { weight: 3, hysteresis: 2 },
      well: 4,
      was: false,
      serves: false,
    },
    { name: 'which is enough then', quorum: { weight: 3, hysteresis: 2 }, well: 5, was: false, serves: true },
    { name: 'nobody is never enough', quorum: { weight: 1, hysteresis: 1 }, well: 0, was: true, serves: false },
  ])('$name', ({ quorum, well, was, serves }) => {
    const servers = Array.from({ length: 5 }, (_, index) => buildServer(1001 + index))
    const wanted = buildWanted({ servers, quorum, fallback, onFailure: 'remove' })
    const look: LookAt = (_, __, { port }) => ({ health: port <= 1000 + well ? 'healthy' : 'unhealthy' })
    const outlook = { look, drains: [], nowMs: 0, thresholds: true, wasEnough: () => was }
    const [entry] = wantedTable([{ cluster: 'shop', services: [wanted] }], outlook).values()
    expect(entry).toMatchObject({ state: serves ? 'served' : 'fallback', isEnough: serves })
    expect([...(entry?.servers.values() ?? [])].map(({ port }) => port)).toEqual(
      serves ? servers.slice(0, well).map(({ port }) => port) : [9],
    )
  })

  test('below the quorum those stay, with weight 0, that stay when they fail, and those drained by hand', () => {
    const servers = [buildServer(1001, { onFailure: 'drain' }), buildServer(1002), buildServer(1003), buildServer(1004)]
    const wanted = buildWanted({ servers, quorum: { weight: 5, hysteresis: 0 }, fallback, onFailure: 'remove' })
    const drains = [{ endpoint: { address: '127.0.0.1', port: 1003 } }]
    expect(weights(wanted, { 1004: 'unhealthy' }, drains)).toEqual({
      '127.0.0.1:1001': 0,
      '127.0.0.1:1003': 0,
      '127.0.0.9:9': 1,
    })
  })

  test('a server says for itself what becomes of it when it fails', () => {
    const servers = [buildServer(1001, { onFailure: 'remove' }), buildServer(1002), buildServer(1003)]
    expect(weights(buildWanted({ servers }), { 1001: 'unhealthy', 1002: 'unhealthy' })).toEqual({
      '127.0.0.1:1002': 0,
      '127.0.0.1:1003': 1,
    })
  })

  test('a fallback that stays has weight 0 while it is not needed', () => {
    const wanted = buildWanted({ fallback: { ...fallback, idle: 'drain' }, onFailure: 'remove' })
    expect(weights(wanted, {})).toEqual({ '127.0.0.1:1001': 1, '127.0.0.1:1002': 1, '127.0.0.9:9': 0 })
    expect(weights(wanted, { 1001: 'unhealthy', 1002: 'unhealthy' })).toEqual({ '127.0.0.9:9': 1 })
  })

  test.each(['masq', 'direct'] as const)('the fallback is reached by %s where that is said', (forwarding) => {
    const wanted = buildWanted({ servers: [], fallback: { ...fallback, forwarding } })
    expect(tableOf(wanted, {}).map(([, server]) => server)).toEqual([
      { address: '127.0.0.9', port: 9, forwarding, weight: 1, upperThreshold: 0, lowerThreshold: 0 },
    ])
  })
})
