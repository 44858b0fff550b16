/** Reloads under load, on the real userspace engine: what stays is not touched. */
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net'
import { describe, expect, test } from 'vitest'
import { buildServer, buildService, buildWanted } from '../../test/build/services.ts'
import { userspaceEngine } from '../engines/userspace/userspace.ts'
import { machineTiming } from '../health/timing.ts'
import type { WantedService } from './control.ts'
import { openDirector } from './director.ts'
import { memoryIntentStore } from './intent.ts'

const within = (): { signal: AbortSignal } => ({ signal: AbortSignal.timeout(15_000) })

/** Sends back what it gets. */
async function startEcho(): Promise<{ readonly port: number } & AsyncDisposable> {
  const sockets = new Set<Socket>()
  const server: Server = createServer((socket) => {
    sockets.add(socket)
    socket.on('error', () => {}).pipe(socket)
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  return {
    port: (server.address() as AddressInfo).port,
    async [Symbol.asyncDispose]() {
      for (const socket of sockets) socket.destroy()
      await new Promise((resolve) => server.close(resolve))
    },
  }
}

/** A client that talks all the time on one connection. */
async function startTalk(
  port: number,
): Promise<{ readonly socket: Socket; readonly lost: () => boolean; heard: () => number }> {
  const socket = connect(port, '127.0.0.1')
  let heard = 0
  let lost = false
  socket.on('close', () => (lost = true)).on('error', () => (lost = true))
  socket.on('data', (chunk: Buffer) => {
    heard += chunk.length
    socket.write(chunk)
  })
  await new Promise((resolve) => socket.once('connect', resolve))
  socket.write('x'.repeat(1000))
  return { socket, lost: () => lost, heard: () => heard }
}

const service = (name: string, port: number, changes: Partial<WantedService>): WantedService =>
  buildWanted({
    name,
    service: buildService({ id: { kind: 'address', protocol: 'tcp', address: '127.0.0.1', port } }),
    ...changes,
  })

describe('a reload under load', () => {
  test('drops no connection, whatever else changes: servers, weights, scheduler, other services', async () => {
    await using one = await startEcho()
    await using two = await startEcho()
    await using first = await startEcho()
    await using second = await startEcho()
    const [port, other] = [first.port, second.port]
    await first[Symbol.asyncDispose]()
    await second[Symbol.asyncDispose]()
    await using director = await openDirector({
      engine: await userspaceEngine(),
      intent: memoryIntentStore(),
      timing: machineTiming,
      now: () => new Date(),
      onEvent: () => {},
      onStop: () => {},
    })
    const put = (...services: WantedService[]): Promise<void> =>
      director.putCluster({ cluster: 'shop', services }, within())
    const [a, b] = [buildServer(one.port), buildServer(two.port)]

    await put(service('www', port, { servers: [a, b] }))
    const talks = await Promise.all(Array.from({ length: 20 }, () => startTalk(port)))
    await expect.poll(() => talks.every(({ heard }) => heard() > 1000)).toBe(true)
    const changes: WantedService[][] = [
      [service('www', port, { servers: [b] })],
      [service('www', port, { servers: [{ ...b, weight: 5 }, a] }), service('api', other, { servers: [a] })],
      [service('www', port, { servers: [{ ...b, weight: 0 }, a] })],
      [service('renamed', port, { servers: [a] })],
    ]
    for (let round = 0; round < 10; round += 1) {
      for (const services of changes) await put(...services)
      const [wanted] = changes[round % changes.length] ?? []
      if (wanted === undefined) continue
      await put({ ...wanted, service: { ...wanted.service, scheduler: round % 2 === 0 ? 'wlc' : 'wrr' } })
    }
    const before = talks.map(({ heard }) => heard())
    await expect.poll(() => talks.every(({ heard }, at) => heard() > (before[at] ?? 0))).toBe(true)
    expect(talks.filter(({ lost }) => lost())).toEqual([])

    await director.removeCluster('shop', within())
    const after = talks.map(({ heard }) => heard())
    await expect.poll(() => talks.every(({ heard }, at) => heard() > (after[at] ?? 0))).toBe(true)
    expect(talks.filter(({ lost }) => lost())).toEqual([])
    for (const { socket } of talks) socket.destroy()
  })
})
