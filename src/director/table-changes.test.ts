import { describe, expect, test } from 'vitest'
import { buildCheck, buildServer, buildService, buildWanted } from '../../test/build/services.ts'
import type { ServiceSnapshot } from '../engines/engine.ts'
import { type Outlook, wantedTable } from './table.ts'
import { tableChanges } from './table-changes.ts'

const well: Outlook = { look: () => ({ health: 'healthy' }), drains: [], nowMs: 0, thresholds: true }
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
  const wanted = wantedTable([{ cluster: 'shop', services: [buildWanted()] }], well)

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
    const checked = wantedTable([{ cluster: 'shop', services: [buildWanted({ checks: [buildCheck()] })] }], well)
    expect(tableChanges([snapshot({}, [1001, 1002])], checked, new Set())).toEqual([])
  })
})
