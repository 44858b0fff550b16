import { describe, expect, test } from 'vitest'
import { buildCheck, buildServer, buildService, buildWanted } from '../../test/build/services.ts'
import type { ServiceSnapshot } from '../engines/engine.ts'
import type { WantedService } from './control.ts'
import type { Health } from './states.ts'
import { tableChanges, wantedTable } from './table.ts'

const weights = (
  wanted: WantedService,
  health: Record<number, Health>,
  drains: Parameters<typeof wantedTable>[2] = [],
): Record<string, number> => {
  const table = wantedTable(
    [{ cluster: 'shop', services: [wanted] }],
    (_service, server) => health[server.port] ?? 'healthy',
    drains,
  )
  const entry = [...table.values()][0]
  return Object.fromEntries([...(entry?.servers ?? [])].map(([key, { weight }]) => [key, weight]))
}
const fallback = { address: '127.0.0.9', port: 9 }

describe('wanted table', () => {
  test.each<{
    name: string
    wanted: WantedService
    health: Record<number, Health>
    drains?: Parameters<typeof wantedTable>[2]
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
})

const counters = { connections: 0, packetsIn: 0, packetsOut: 0, bytesIn: 0, bytesOut: 0 }
const snapshot = (changes: Parameters<typeof buildService>[0], ports: readonly number[]): ServiceSnapshot => ({
  service: buildService(changes),
  counters,
  rates: counters,
  servers: ports.map((port) => {
    const { guest: _guest, guestPort: _guestPort, ...server } = buildServer(port)
    return { server, active: 0, inactive: 0, persistent: 0, counters, rates: counters }
  }),
})
const byHand = { id: { kind: 'address', protocol: 'tcp', address: '127.0.0.1', port: 99 } } as const

describe('table changes', () => {
  const wanted = wantedTable([{ cluster: 'shop', services: [buildWanted()] }], () => 'healthy', [])

  test('nothing is done when all is as wanted', () => {
    expect(tableChanges([snapshot({}, [1001, 1002])], wanted, new Set())).toEqual([])
  })

  test('only what differs is changed', () => {
    const changes = tableChanges([snapshot({}, [1001, 1003])], wanted, new Set())
    expect(changes.map(({ kind }) => kind)).toEqual(['server.add', 'server.remove'])
  })

  test('another scheduler updates the service and leaves its servers', () => {
    const changes = tableChanges([snapshot({ scheduler: 'wlc' }, [1001, 1002])], wanted, new Set())
    expect(changes.map(({ kind }) => kind)).toEqual(['service.update'])
  })

  test('a service that was ours goes when it is no longer wanted, one made by hand stays', () => {
    const standing = [snapshot({}, [1001]), snapshot(byHand, [1001])]
    const changes = tableChanges(standing, new Map(), new Set(['tcp 127.0.0.1:8080']))
    expect(changes).toEqual([{ kind: 'service.remove', id: buildService().id }])
  })

  test('a check is not the engine’s business', () => {
    const checked = wantedTable(
      [{ cluster: 'shop', services: [buildWanted({ checks: [buildCheck()] })] }],
      () => 'healthy',
      [],
    )
    expect(tableChanges([snapshot({}, [1001, 1002])], checked, new Set())).toEqual([])
  })
})
