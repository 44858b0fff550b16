import { describe, expect, test } from 'vitest'
import { buildServer, buildWanted } from '../../test/build/services.ts'
import type { RealServer } from '../lvs/service.ts'
import type { WantedService } from './control.ts'
import type { DrainTarget, Health } from './states.ts'
import { wantedTable } from './table.ts'

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

  test.each(['masq', 'direct'] as const)('the fallback is reached by %s where that is said', (forwarding) => {
    const wanted = buildWanted({ servers: [], fallback: { ...fallback, forwarding } })
    expect(tableOf(wanted, {}).map(([, server]) => server)).toEqual([
      { address: '127.0.0.9', port: 9, forwarding, weight: 1, upperThreshold: 0, lowerThreshold: 0 },
    ])
  })
})
