/** The traffic contract, continued: settings of the whole engine changed at run time, zeroing, rates, reading some. */
import { describe, expect, test } from 'vitest'
import { eventually, readText, readToEnd, sleep } from '../../labs/net/loopback.ts'
import type { SettingsChange } from '../lvs/settings.ts'
import { addServer, addService, aServer, aService, errorOf, within } from './engine.contract.ts'
import { noCounters } from './engine.ts'
import {
  hold,
  namedServers,
  type OpenEngine,
  openTrafficWorld,
  type TrafficWorld,
  udpServers,
  whatComes,
} from './traffic-world.contract.ts'

const set = (world: TrafficWorld, settings: SettingsChange): Promise<void> =>
  world.apply({ kind: 'settings', settings })

export function settingsContract(name: string, open: OpenEngine): void {
  describe(`settings contract: ${name}`, () => {
    test('what is set is told, and what is not heeded is refused with nothing changed', async () => {
      await using world = await openTrafficWorld(open)
      const before = await world.engine.info(within())
      expect(before.settings.timeouts).toEqual({ tcp: 900, tcpFin: 120, udp: 300 })
      await set(world, { timeouts: { tcp: 77 }, sysctls: { expire_nodest_conn: 1 } })
      const { settings } = await world.engine.info(within())
      expect(settings.timeouts).toEqual({ tcp: 77, tcpFin: 120, udp: 300 })
      expect(settings.sysctls.expire_nodest_conn).toBe(1)
      const refused = await errorOf(set(world, { timeouts: { tcp: 5 }, sysctls: { drop_entry: 3 } }))
      expect(refused.code).toBe('unsupported')
      expect((await world.engine.info(within())).settings).toEqual(settings)
    })

    test('settings sent at once all stand', async () => {
      await using world = await openTrafficWorld(open)
      await Promise.all([
        set(world, { timeouts: { tcp: 71 } }),
        set(world, { timeouts: { tcpFin: 72 } }),
        set(world, { timeouts: { udp: 73 } }),
      ])
      expect((await world.engine.info(within())).settings.timeouts).toEqual({ tcp: 71, tcpFin: 72, udp: 73 })
    })

    test('a shorter tcp timeout ends silent connections of services without their own', async () => {
      await using world = await openTrafficWorld(open)
      const [place] = await namedServers(world, [1])
      const own = { ...world.id, ...(await world.net.freePlace()) }
      await world.apply(
        addService(aService(own, { idleTimeoutSeconds: 600 })),
        addServer(own, aServer(place?.port ?? 0)),
      )
      const { socket } = await hold(world)
      const kept = await world.net.dial(own)
      await readText(kept)
      const ended = readToEnd(socket)
      await set(world, { timeouts: { tcp: 1 } })
      expect(['', 'reset']).toContain(await ended)
      const left = await world.connections()
      expect(left.map(({ client }) => client.port)).toEqual([kept.localPort])
      expect(left[0]?.expiresSeconds).toBeGreaterThan(500)
    })

    test('the tcpfin timeout is for connections that one side has ended', async () => {
      await using world = await openTrafficWorld(open)
      const place = await world.net.tcpServer((socket) => void socket.write('2'))
      await world.apply(addServer(world.id, aServer(place.port)))
      const [closing, standing] = [await hold(world), await hold(world)]
      closing.socket.end()
      await eventually('it is half closed', async () => (await world.server(place))?.inactive === 1)
      const ended = readToEnd(closing.socket)
      await set(world, { timeouts: { tcpFin: 1 } })
      expect(['', 'reset']).toContain(await ended)
      const left = await world.connections()
      expect(left.map(({ client }) => client.port)).toEqual([standing.socket.localPort])
    })

    test('the udp timeout is for sessions', async () => {
      await using world = await openTrafficWorld(open, {}, '127.0.0.1', 'udp')
      await udpServers(world, 1)
      expect(await (await world.net.udpClient()).ask(world.id, 'a')).toBe('2 a')
      expect((await world.connections())[0]?.expiresSeconds).toBeGreaterThan(250)
      await set(world, { timeouts: { udp: 1 } })
      await eventually('it is gone', async () => (await world.connections()).length === 0)
    })

    test('with expire_nodest_conn the connections of a removed server end at once', async () => {
      await using world = await openTrafficWorld(open)
      const places = await namedServers(world, [1, 1])
      const held = await Promise.all(Array.from({ length: 8 }, () => hold(world)))
      const ended = held.filter(({ name }) => name === '3').map(({ socket }) => readToEnd(socket))
      await set(world, { sysctls: { expire_nodest_conn: 1 } })
      await world.apply({ kind: 'server.remove', id: world.id, server: aServer(places[1]?.port ?? 0) })
      expect(await Promise.all(ended)).toEqual(Array.from({ length: 4 }, () => 'reset'))
      expect(await world.connections()).toHaveLength(4)
      await world.apply({ kind: 'service.remove', id: world.id })
      await eventually('those of a removed service end, too', async () => (await world.connections()).length === 0)
    })

    test('expire_nodest_conn also ends what was left to finish before it was set', async () => {
      await using world = await openTrafficWorld(open)
      const [place] = await namedServers(world, [1])
      const { socket } = await hold(world)
      await world.apply({ kind: 'server.remove', id: world.id, server: aServer(place?.port ?? 0) })
      await sleep(300)
      expect(await world.connections()).toHaveLength(1)
      const ended = readToEnd(socket)
      await set(world, { sysctls: { expire_nodest_conn: 1 } })
      expect(await ended).toBe('reset')
      await world.apply(addServer(world.id, aServer(place?.port ?? 0)))
      expect((await hold(world)).name).toBe('2')
    })

    test('zeroing begins the counters anew, of one service or of all, and touches no connection', async () => {
      await using world = await openTrafficWorld(open)
      const [place] = await namedServers(world, [1])
      const other = { ...world.id, ...(await world.net.freePlace()) }
      await world.apply(addService(aService(other)), addServer(other, aServer(place?.port ?? 0)))
      await hold(world)
      await readText(await world.net.dial(other))
      const counted = async (): Promise<number[]> =>
        (await world.engine.read(within())).map(({ counters }) => counters.connections)
      expect(await counted()).toEqual([1, 1])
      await world.engine.zero(world.id, within())
      expect(await counted()).toEqual([0, 1])
      expect(place && (await world.server(place))).toMatchObject({ active: 1, counters: noCounters })
      await hold(world)
      expect(await counted()).toEqual([1, 1])
      await world.engine.zero(undefined, within())
      expect(await counted()).toEqual([0, 0])
      await world.engine.zero({ ...world.id, port: 1 }, within())
    })

    test('rates rise with the traffic, and are zeroed with the counters', async () => {
      await using world = await openTrafficWorld(open)
      const [place] = await namedServers(world, [1])
      for (let made = 0; made < 40; made++) await hold(world)
      await eventually('there is a rate', async () => (await world.snapshot()).rates.connections > 0)
      // A quarter of what came in 2 s.
      expect((await world.snapshot()).rates.connections).toBeLessThanOrEqual(6)
      expect(place && (await world.server(place))?.rates.bytesOut).toBeGreaterThan(0)
      await world.engine.zero(world.id, within())
      expect((await world.snapshot()).rates).toEqual(noCounters)
    })

    test('some services are read alone, where they exist', async () => {
      await using world = await openTrafficWorld(open)
      const other = { ...world.id, ...(await world.net.freePlace()) }
      await world.apply(addService(aService(other)))
      const only = [other, { ...other, port: 1 }]
      expect((await world.engine.read({ ...within(), only })).map(({ service }) => service.id)).toEqual([other])
    })

    test('a service without a scheduler refuses its clients until it has one', async () => {
      await using world = await openTrafficWorld(open, { scheduler: 'none' })
      await namedServers(world, [1])
      expect(await whatComes(world)).toBe('reset')
      await world.apply({ kind: 'service.update', service: aService(world.id) })
      expect((await hold(world)).name).toBe('2')
    })
  })
}
