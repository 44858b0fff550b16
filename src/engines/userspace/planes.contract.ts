/** All engine contracts on one plane of the userspace engine, and what only this engine promises. */
import { readdirSync } from 'node:fs'
import { describe, expect, test } from 'vitest'
import { eventually, openLoopback, readToEnd, sleep } from '../../../labs/net/loopback.ts'
import { sockaddrBytes, sockaddrPort, writeSockaddr } from '../../os/socket-address.ts'
import { AF_INET, loadSocketCalls, pinned, SOCK_STREAM } from '../../os/sockets.ts'
import { addServer, aServer, type EngineUnderTest, engineContract, within } from '../engine.contract.ts'
import { engineStateContract } from '../engine-state.contract.ts'
import { templatePortingContract } from '../porting.contract.ts'
import { trafficContract } from '../traffic.contract.ts'
import { changesContract } from '../traffic-changes.contract.ts'
import { decisionsContract } from '../traffic-decisions.contract.ts'
import { proxyProtocolContract, udpContract } from '../traffic-details.contract.ts'
import { onePacketContract, persistenceContract } from '../traffic-persistence.contract.ts'
import { settingsContract } from '../traffic-settings.contract.ts'
import { openTrafficWorld } from '../traffic-world.contract.ts'
import type { PlaneName } from './plane.ts'
import { userspaceEngine } from './userspace.ts'

/** A server that is there but never answers: its queue is full, so that the kernel drops every SYN. */
function openBlackHole(): { readonly port: number; readonly [Symbol.dispose]: () => void } {
  const calls = loadSocketCalls()
  const { bytes, address } = pinned(sockaddrBytes + 4)
  const listener = calls.socket(AF_INET, SOCK_STREAM, 0)
  const length = writeSockaddr(bytes, 0, [0x7f000001], 0)
  calls.bind(listener, address, length)
  calls.listen(listener, 0)
  bytes.writeInt32LE(sockaddrBytes, sockaddrBytes)
  calls.getsockname(listener, address, address + sockaddrBytes)
  const filler = calls.socket(AF_INET, SOCK_STREAM, 0)
  calls.connect(filler, address, length)
  return {
    port: sockaddrPort(bytes, 0),
    [Symbol.dispose]() {
      calls.close(filler)
      calls.close(listener)
    },
  }
}

const openDescriptors = (): number => readdirSync('/proc/self/fd').length
const openThreads = (): number => readdirSync('/proc/self/task').length

export function planeContract(plane: PlaneName, threads: number): void {
  const name = `userspace, ${plane} plane, threads: ${threads}`
  const openAlone = async (): Promise<EngineUnderTest> => {
    const engine = await userspaceEngine({ plane, threads })
    const net = openLoopback()
    return {
      engine,
      freeService: async (protocol = 'tcp') => ({
        kind: 'address',
        protocol,
        ...(await net.freePlace('127.0.0.1', protocol)),
      }),
      [Symbol.asyncDispose]: () => engine[Symbol.asyncDispose](),
    }
  }
  engineContract(name, openAlone)
  engineStateContract(name, openAlone)
  templatePortingContract(name, openAlone)
  const open = (options: { connectTimeoutMs: number }) => userspaceEngine({ plane, threads, ...options })
  trafficContract(name, open)
  decisionsContract(name, open)
  changesContract(name, open)
  udpContract(name, open)
  proxyProtocolContract(name, open)
  persistenceContract(name, open)
  onePacketContract(name, open)
  settingsContract(name, open)

  describe(`plane contract: ${name}`, () => {
    test('a server that does not answer gives way to the next after the connect timeout', async () => {
      await using world = await openTrafficWorld(open)
      const alive = await world.net.tcpServer((socket) => void socket.end('alive').resume())
      using hole = openBlackHole()
      await world.apply(addServer(world.id, aServer(alive.port)), addServer(world.id, aServer(hole.port)))
      const startedAt = Date.now()
      expect(await readToEnd(await world.dial())).toBe('alive')
      expect(Date.now() - startedAt).toBeGreaterThan(300)
      expect(await world.server({ address: '127.0.0.1', port: hole.port })).toMatchObject({
        active: 0,
        connectFailures: 1,
      })
    })

    test('a client that leaves while its server is being connected is forgotten', async () => {
      await using world = await openTrafficWorld(open)
      using hole = openBlackHole()
      await world.apply(addServer(world.id, aServer(hole.port)))
      const socket = await world.dial()
      socket.resetAndDestroy()
      await sleep(900)
      expect(await world.connections()).toEqual([])
      expect(await world.server({ address: '127.0.0.1', port: hole.port })).toMatchObject({ active: 0, inactive: 0 })
    })

    test('more connections than a page holds are all listed', async () => {
      await using world = await openTrafficWorld(open)
      const server = await world.net.tcpServer((socket) => void socket.write('.'))
      await world.apply(addServer(world.id, aServer(server.port)))
      const count = 1300
      for (let made = 0; made < count; made += 100) await Promise.all(Array.from({ length: 100 }, () => world.dial()))
      await eventually('all are listed, each once', async () => {
        const ports = (await world.connections()).map(({ client }) => client.port)
        return ports.length === count && new Set(ports).size === count
      })
    })

    test('neither descriptors nor threads outlive the engine', async () => {
      const round = async (): Promise<void> => {
        await using world = await openTrafficWorld(open)
        const places = [await world.net.tcpServer((socket) => socket.pipe(socket)), await world.net.udpServer(String)]
        const udp = { ...world.id, protocol: 'udp' } as const
        await world.apply(addServer(world.id, aServer(places[0]?.port ?? 0)))
        await world.engine.apply(
          [{ kind: 'service.add', service: { ...(await world.snapshot()).service, id: udp } }],
          within(),
        )
        await world.apply(addServer(udp, aServer(places[1]?.port ?? 0)))
        for (let index = 0; index < 30; index++) (await world.dial()).write('x')
        await (await world.net.udpClient()).ask(udp, 'x')
      }
      // Once for what is made only once.
      await round()
      const before = { descriptors: openDescriptors(), threads: openThreads() }
      for (let times = 0; times < 5; times++) await round()
      expect(openThreads()).toBeLessThanOrEqual(before.threads)
      expect(openDescriptors()).toBeLessThanOrEqual(before.descriptors)
    })
  })
}
