import { createHash, randomBytes } from 'node:crypto'
import { connect } from 'node:net'
import { describe, expect, test } from 'vitest'
import { eventually, sleep } from '../../../labs/net/loopback.ts'
import { schedulerNames } from '../../lvs/service.ts'
import { addServer, aServer, aService, within } from '../engine.contract.ts'
import type { Connection, EngineChange } from '../engine.ts'
import { openTrafficWorld } from '../traffic-world.contract.ts'
import { userspaceEngine } from './userspace.ts'

const seconds = 10
const digest = (bytes: Buffer): string => createHash('sha1').update(bytes).digest('hex')

/** Sends some bytes, hears their echo or is cut off; sometimes reads slowly, sometimes leaves early. */
async function talk(port: number): Promise<'whole' | 'cut' | 'spoilt'> {
  const size = Math.floor(Math.random() * (Math.random() < 0.05 ? 5_000_000 : 20_000))
  const bytes = randomBytes(size)
  const heard: Buffer[] = []
  return await new Promise((resolve) => {
    const localAddress = `127.0.0.${1 + Math.floor(Math.random() * 20)}`
    const socket = connect({ port, host: '127.0.0.1', localAddress, allowHalfOpen: true })
    socket.on('data', (chunk: Buffer) => {
      heard.push(chunk)
      if (Math.random() > 0.02) return
      socket.pause()
      setTimeout(() => socket.resume(), Math.random() * 30)
    })
    socket.once('error', () => resolve('cut'))
    socket.once('close', () => resolve('cut'))
    socket.once('end', () => {
      const all = Buffer.concat(heard)
      resolve(all.length < size ? 'cut' : digest(all) === digest(bytes) ? 'whole' : 'spoilt')
      socket.destroy()
    })
    if (Math.random() < 0.05) setTimeout(() => socket.destroy(), Math.random() * 20)
    socket.end(bytes)
  })
}

const endingOrphans = (isWanted: boolean): EngineChange => ({
  kind: 'settings',
  settings: { sysctls: { expire_nodest_conn: isWanted ? 1 : 0 } },
})

describe.each(['epoll', 'net'] as const)('the %s plane under all at once', (plane) => {
  test('spoils no byte and forgets no connection while servers fail, leave and return', {
    timeout: 60_000,
  }, async () => {
    const open = () => userspaceEngine({ plane, threads: 3, connectTimeoutMs: 500 })
    await using world = await openTrafficWorld(open)
    const { id } = world
    const servers = [aServer((await world.net.freePlace()).port)]
    for (let made = 0; made < 4; made++) {
      const { port } = await world.net.tcpServer((socket) => {
        if (Math.random() < 0.03) socket.resetAndDestroy()
        else socket.pipe(socket)
      })
      servers.push(aServer(port))
    }
    await world.apply(...servers.map((server) => addServer(id, server)))

    const until = Date.now() + seconds * 1000
    const outcomes: string[] = []
    const client = async (): Promise<void> => {
      while (Date.now() < until) outcomes.push(await talk(id.port))
    }
    const change = async (): Promise<void> => {
      for (let round = 0; Date.now() < until; round++) {
        const server = servers[round % servers.length] ?? aServer(1)
        const scheduler = schedulerNames[round % schedulerNames.length] ?? 'rr'
        const persistence = { timeoutSeconds: 1, mask: round % 4 === 0 ? '255.255.255.0' : '255.255.255.255' }
        const over = round % 5 === 0 ? { scheduler } : { scheduler, persistence }
        await world.apply(
          round % 3 === 0
            ? { kind: 'server.remove', id, server }
            : addServer(id, { ...server, weight: 1 + (round % 4) }),
          { kind: 'service.update', service: aService(id, over) },
        )
        // For a quarter of the time connections end with their server.
        if (round % 20 === 0) await world.apply(endingOrphans(round % 80 === 0))
        if (round % 10 === 0) await world.connections()
        await sleep(5)
      }
    }
    await Promise.all([change(), ...Array.from({ length: 60 }, client)])

    const count = (wanted: string): number => outcomes.filter((outcome) => outcome === wanted).length
    expect(count('spoilt')).toBe(0)
    expect(count('whole')).toBeGreaterThan(count('cut'))
    // A template under which a connection stood when its time was up stays for another minute.
    const templates = async (): Promise<Connection[]> =>
      (await world.connections()).filter(({ state }) => state === 'NONE' || state === 'ASSURED')
    const connections = async (): Promise<number> => (await world.connections()).length - (await templates()).length
    await eventually('no connection is left', async () => (await connections()) === 0)
    // All servers stand again, so that what still counts on one of them shows.
    await world.engine.apply(
      servers.map((server) => addServer(id, server)),
      within(),
    )
    const { servers: left } = await world.snapshot()
    expect(left.map(({ active, inactive }) => active + inactive)).toEqual(servers.map(() => 0))
    await eventually('each template that is left leads to a server that counts it', async () => {
      const { servers: led } = await world.snapshot()
      return led.reduce((sum, { persistent }) => sum + persistent, 0) === (await templates()).length
    })
  })
})
