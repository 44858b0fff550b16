/** What every engine decides, however it moves the traffic: as Linux does, shown with real sockets on loopback. */
import { describe, expect, test } from 'vitest'
import type { SchedulerName } from '../lvs/service.ts'
import { addServer, aServer } from './engine.contract.ts'
import { namedServers, type OpenEngine, openTrafficWorld, picks } from './traffic-world.contract.ts'

export function decisionsContract(name: string, open: OpenEngine): void {
  describe(`decisions contract: ${name}`, () => {
    test.each<{ scheduler: SchedulerName; weights: number[]; expected: string; after: 'hold' | 'close' }>([
      { scheduler: 'rr', weights: [1, 1, 1], expected: '4324324', after: 'close' },
      { scheduler: 'wrr', weights: [5, 1, 1], expected: '4322222432222243', after: 'close' },
      { scheduler: 'wrr', weights: [4, 3, 2], expected: '432232432432232', after: 'close' },
      { scheduler: 'lc', weights: [5, 1, 3], expected: '432432432', after: 'hold' },
      { scheduler: 'wlc', weights: [5, 1, 3], expected: '4322422424322422', after: 'hold' },
    ])('$scheduler with weights $weights gives $expected', async ({ scheduler, weights, expected, after }) => {
      await using world = await openTrafficWorld(open, { scheduler })
      await namedServers(world, weights)
      expect(await picks(world, expected.length, after)).toBe(expected)
    })

    test('rr goes on from its last pick through a drain and an addition', async () => {
      await using world = await openTrafficWorld(open)
      const [, third] = await namedServers(world, [1, 1, 1])
      expect(await picks(world, 7, 'close')).toBe('4324324')
      await world.apply({ kind: 'server.update', id: world.id, server: aServer(third?.port ?? 0, { weight: 0 }) })
      expect(await picks(world, 5, 'close')).toBe('24242')
      const fifth = await world.net.tcpServer((socket) => void socket.end('5').resume())
      await world.apply(addServer(world.id, aServer(fifth.port)))
      expect(await picks(world, 5, 'close')).toBe('54254')
    })
  })
}
