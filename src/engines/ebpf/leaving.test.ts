import { describe, expect, test } from 'vitest'
import type { ServerRecord } from './draft.ts'
import { LeavingServers } from './leaving.ts'

const recordOf = (slot: number): ServerRecord => ({
  slot,
  key: `server ${slot}`,
  server: { address: '10.0.0.1', port: slot, forwarding: 'masq', weight: 1, upperThreshold: 0, lowerThreshold: 0 },
  weight: 1,
  lastWeight: 1,
  address: [1],
  port: slot,
  isChanged: false,
})
const leaving = (slot: number, serviceSlot = 0) => ({ record: recordOf(slot), serviceKey: 'web', serviceSlot })
const idle = (): boolean => false

/** Which slots have gone after so many ticks. */
function ticked(servers: LeavingServers, ticks: number, isUsed: (slot: number) => boolean): number[] {
  return Array.from({ length: ticks }, () => servers.tick(isUsed)).flatMap((gone) =>
    gone.map(({ record }) => record.slot),
  )
}

describe('servers that leave', () => {
  test('stay while they have connections, and eight ticks longer', () => {
    const servers = new LeavingServers()
    servers.add(leaving(1), false)
    expect(ticked(servers, 7, idle)).toEqual([])
    expect(ticked(servers, 1, () => true)).toEqual([])
    expect(ticked(servers, 7, idle)).toEqual([])
    expect(ticked(servers, 1, idle)).toEqual([1])
    expect(servers.slots()).toEqual(new Set())
  })

  test('stay while destinations are with them, and until these were looked through after they left', () => {
    const servers = new LeavingServers()
    const begunMs = performance.now()
    for (const slot of [1, 2]) servers.add(leaving(slot), true)
    servers.remembered(new Set(), begunMs)
    expect(ticked(servers, 20, idle)).toEqual([])
    servers.remembered(new Set([2]), performance.now() + 1)
    expect(ticked(servers, 1, idle)).toEqual([1])
    servers.remembered(new Set(), performance.now() + 1)
    expect(ticked(servers, 1, idle)).toEqual([2])
  })

  test('are found by their service as it was, and not once they have come back', () => {
    const servers = new LeavingServers()
    servers.add(leaving(1, 4), false)
    servers.add(leaving(2, 5), false)
    expect(Array.from(servers.of('web', 4), ({ slot }) => slot)).toEqual([1])
    expect(servers.get('web', 'server 1')?.record.slot).toBe(1)
    expect(servers.get('dns', 'server 1')).toBeUndefined()
    servers.delete(leaving(1, 4))
    expect(servers.get('web', 'server 1')).toBeUndefined()
    expect(servers.slots()).toEqual(new Set([2]))
  })
})
