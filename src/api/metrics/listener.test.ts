import { createServer, type Server } from 'node:http'
import { connect } from 'node:net'
import { describe, expect, test } from 'vitest'
import { closedPort } from '../../../test/build/servers.ts'
import { InfraError } from '../../errors.ts'
import { fakeTiming } from '../../health/fake-timing.ts'
import { openMetricsListeners } from './listener.ts'
import type { Scrape } from './scrape.ts'

const at = async (address = '127.0.0.1'): Promise<{ address: string; port: number }> => ({
  address,
  port: await closedPort(),
})
const url = ({ port }: { readonly port: number }, path = '/metrics'): string => `http://127.0.0.1:${port}${path}`
const simple: Scrape = async function* () {
  yield 'a 1\n'
  yield 'b 2\n'
}

function openWorld(scrape: Scrape = simple) {
  const timing = fakeTiming()
  const noted: string[] = []
  const onTrouble = (where: string, reason: string | undefined): void =>
    void noted.push(`${where} ${reason === undefined ? 'well' : 'trouble'}`)
  return { timing, noted, listeners: openMetricsListeners({ scrape, timing, onTrouble }) }
}

async function answered(where: { readonly port: number }): Promise<number> {
  return await fetch(url(where)).then(
    ({ status }) => status,
    () => 0,
  )
}

async function taken(port: number): Promise<Server> {
  const server = createServer()
  await new Promise<void>((resolve) => server.listen(port, '127.0.0.1', resolve))
  return server
}

describe('metrics over TCP', () => {
  test('are at /metrics, and nothing else is there', async () => {
    const { listeners } = openWorld()
    const where = await at()
    listeners.follow([where])
    await expect.poll(() => answered(where)).toBe(200)
    const response = await fetch(url(where))
    expect(response.headers.get('content-type')).toBe('text/plain; version=0.0.4; charset=utf-8')
    expect(await response.text()).toBe('a 1\nb 2\n')
    expect((await fetch(url(where, '/metrics?name[]=a'))).status).toBe(200)
    for (const path of ['/', '/v1/status', '/v1/stop', '/metrics/x'])
      expect((await fetch(url(where, path))).status).toBe(404)
    expect((await fetch(url(where), { method: 'POST', body: 'x' })).status).toBe(405)
    await listeners[Symbol.asyncDispose]()
    expect(await answered(where)).toBe(0)
  })

  test('two addresses are both served; one that is not asked for any more is left', async () => {
    const { listeners } = openWorld()
    const [one, other] = [await at(), await at()]
    listeners.follow([one, other, one])
    await expect.poll(() => answered(one)).toBe(200)
    await expect.poll(() => answered(other)).toBe(200)
    listeners.follow([other])
    await expect.poll(() => answered(one)).toBe(0)
    expect(await answered(other)).toBe(200)
    await listeners[Symbol.asyncDispose]()
  })

  test('a port that is taken is said, and tried again until it is free', async () => {
    const { listeners, timing, noted } = openWorld()
    const where = await at()
    const holder = await taken(where.port)
    listeners.follow([where])
    await expect.poll(() => listeners.troubles()).toHaveLength(1)
    expect(listeners.troubles()[0]).toMatch(new RegExp(`^metrics at 127.0.0.1:${where.port}: .*EADDRINUSE`))
    await timing.advance(5000)
    await new Promise((resolve) => holder.close(resolve))
    await expect.poll(async () => (await timing.advance(30_000), answered(where))).toBe(200)
    expect(listeners.troubles()).toEqual([])
    expect(noted).toEqual([`127.0.0.1:${where.port} trouble`, `127.0.0.1:${where.port} well`])
    await listeners[Symbol.asyncDispose]()
    expect(timing.pending()).toBe(0)
  })

  test('an address that is not of this machine does not hold up the end', async () => {
    const { listeners, timing } = openWorld()
    listeners.follow([{ address: '192.0.2.1', port: 9600 }])
    await expect.poll(() => listeners.troubles()).toHaveLength(1)
    await listeners[Symbol.asyncDispose]()
    expect(listeners.troubles()).toEqual([])
    expect(timing.pending()).toBe(0)
  })

  test.each([
    { error: new InfraError('busy', 'four scrapes are under way', { subject: 'metrics' }), status: 503 },
    { error: new Error('odd'), status: 500 },
  ])('$error is said as $status', async ({ error, status }) => {
    const { listeners } = openWorld(() => ({ [Symbol.asyncIterator]: () => ({ next: () => Promise.reject(error) }) }))
    const where = await at()
    listeners.follow([where])
    await expect.poll(() => answered(where)).toBe(status)
    expect(await (await fetch(url(where))).text()).toBe(`${error.message}\n`)
    await listeners[Symbol.asyncDispose]()
  })

  test('a reader who goes, and one who does not read, leave no scrape behind, nor hold up the end', async () => {
    let underWay = 0
    const endless: Scrape = async function* ({ signal }) {
      underWay += 1
      try {
        for (;;) {
          signal.throwIfAborted()
          yield 'x'.repeat(65_536)
        }
      } finally {
        underWay -= 1
      }
    }
    const { listeners } = openWorld(endless)
    const where = await at()
    listeners.follow([where])
    const ask = async () => {
      const socket = connect(where.port, '127.0.0.1').on('error', () => {})
      socket.write('GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n')
      return socket
    }
    await expect
      .poll(async () => {
        const socket = await ask()
        await new Promise((resolve) => socket.once('readable', resolve).once('close', resolve))
        const isHeard = socket.read() !== null
        socket.destroy()
        return isHeard
      })
      .toBe(true)
    await expect.poll(() => underWay).toBe(0)
    const silent = await ask()
    await expect.poll(() => underWay).toBe(1)
    await listeners[Symbol.asyncDispose]()
    await expect.poll(() => underWay).toBe(0)
    silent.destroy()
  })
})
