/** Both connectors, by the same cases. */
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { createServer, connect as netConnect } from 'node:net'
import { afterAll, describe, expect, test } from 'vitest'
import { closedPort, listen, openDescriptors, raw } from '../../test/build/servers.ts'
import type { Verdict } from './checks/verdict.ts'
import type { ConnectAttempt, Connector } from './connector.ts'
import { epollConnector } from './connector-epoll.ts'
import { lazyConnector } from './connector-lazy.ts'
import { netConnector } from './connector-net.ts'

const at = (port: number, address = '127.0.0.1'): { address: string; port: number } => ({ address, port })

/** Sockets in TIME_WAIT towards a port, as /proc/net/tcp has them. */
function lingering(port: number): number {
  const hex = port.toString(16).toUpperCase().padStart(4, '0')
  return readFileSync('/proc/net/tcp', 'utf8')
    .split('\n')
    .filter((line) => / [\dA-F]{8}:[\dA-F]{4} [\dA-F]{8}:[\dA-F]{4} 06 /.test(line) && line.includes(`:${hex} 06 `))
    .length
}

describe.each([
  { name: 'epoll', open: epollConnector },
  { name: 'net', open: (): Connector => netConnector },
])('connector $name', ({ open }) => {
  const connector = open()
  afterAll(() => connector[Symbol.dispose]())

  const connect = (target: { address: string; port: number }): Promise<Verdict> =>
    new Promise((resolve) => connector.connect(target, { onConnectEnd: resolve }))

  test('what takes connections is up, IPv4 and IPv6', async () => {
    await using server = await raw(() => {})
    await using six = await listen(createServer(), '::1')
    expect(await connect(at(server.port))).toEqual({ healthy: true, detail: 'connected' })
    expect(await connect(at(six.port, '::1'))).toEqual({ healthy: true, detail: 'connected' })
  })

  test('a closed port is down, and says why', async () => {
    const port = await closedPort()
    expect(await connect(at(port))).toEqual({ healthy: false, detail: `127.0.0.1:${port}: ECONNREFUSED` })
    expect(await connect(at(port, '::1'))).toEqual({ healthy: false, detail: `[::1]:${port}: ECONNREFUSED` })
  })

  test('what has no way is down', async () => {
    const { healthy, detail } = await connect(at(80, '255.255.255.255'))
    expect(healthy).toBe(false)
    expect(detail).toMatch(/^255\.255\.255\.255:80: E[A-Z]+$/)
  })

  test('hundreds at once are all heard of, each for itself, and leave nothing: no descriptor, no TIME_WAIT', async () => {
    await using server = await raw((socket) => void socket.once('data', () => socket.write('welcome')), '0.0.0.0')
    const closed = await closedPort()
    const before = openDescriptors()
    const verdicts = await Promise.all(
      Array.from({ length: 600 }, (_, index) =>
        connect(at(index % 3 === 0 ? closed : server.port, `127.0.1.${index % 250}`)),
      ),
    )
    expect(verdicts.filter(({ healthy }) => healthy).length).toBe(400)
    // Whoever is answered was taken after all of those that were taken.
    const guest = netConnect(server.port)
    guest.write('hello')
    await once(guest, 'data')
    guest.destroy()
    await expect.poll(() => server.open()).toBe(0)
    await expect.poll(openDescriptors).toBeLessThanOrEqual(before)
    // The guest, and whoever of other programs had this port: of four hundred that were taken, nobody.
    expect(lingering(server.port)).toBeLessThan(20)
  })

  test('one that was given up is not heard of, and is closed', async () => {
    await using server = await raw(() => {})
    const before = openDescriptors()
    const heard: Verdict[] = []
    const attempts: ConnectAttempt[] = []
    for (const port of [server.port, await closedPort()])
      attempts.push(connector.connect(at(port), { onConnectEnd: (verdict) => heard.push(verdict) }))
    for (const attempt of attempts) attempt.cancel()
    // What was asked for later is answered later.
    await connect(at(server.port))
    for (const attempt of attempts) attempt.cancel()
    expect(heard).toEqual([])
    await expect.poll(openDescriptors).toBeLessThanOrEqual(before)
  })

  test('nobody is heard of before he is known', async () => {
    let isKnown = false
    const port = await closedPort()
    const wasKnown = new Promise((resolve) => {
      connector.connect(at(port), { onConnectEnd: () => resolve(isKnown) })
      connector.connect(at(80, '255.255.255.255'), { onConnectEnd: () => resolve(isKnown) })
    })
    isKnown = true
    expect(await wasKnown).toBe(true)
  })
})

describe('the best connector', () => {
  test('works at once, and with system calls when they are loaded', async () => {
    using connector = lazyConnector()
    await using server = await raw(() => {})
    const connect = (): Promise<Verdict> =>
      new Promise((resolve) => connector.connect(at(server.port), { onConnectEnd: resolve }))
    expect((await connect()).healthy).toBe(true)
    expect(connector.kind).toBe('net')
    await connector.load()
    expect(connector.kind).toBe('epoll')
    expect((await connect()).healthy).toBe(true)
  })

  test('an epoll connector that is asked to says at once what it has not looked for yet', async () => {
    await using server = await raw(() => {})
    using connector = epollConnector()
    const heard: Verdict[] = []
    const attempt = connector.connect(at(server.port), { onConnectEnd: (verdict) => heard.push(verdict) })
    const begun = performance.now()
    while (heard.length === 0 && performance.now() - begun < 1000) attempt.settle()
    expect(heard).toMatchObject([{ healthy: true }])
  })

  test('an epoll connector that ends closes what is open', async () => {
    await using server = await raw(() => {})
    const before = openDescriptors()
    const connector = epollConnector()
    connector.connect(at(server.port), { onConnectEnd: () => {} })
    connector[Symbol.dispose]()
    expect(openDescriptors()).toBeLessThanOrEqual(before)
  })
})
