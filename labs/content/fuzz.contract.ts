/** The fuzz run over the HTTP and TLS fronts: in the unit tests with some inputs, in the lab with very many. */
import { expect, test } from 'vitest'
import { type ContentWorld, openContentWorld, pathRule } from '../../src/engines/application/content-world.contract.ts'
import { readClientHello } from '../../src/wire/tls-client-hello.ts'
import { eventually } from '../net/loopback.ts'
import { fuzz, openDescriptors, recordHello, temporaryCertificate } from './fuzz.ts'
import { helloInput, httpInput, seeded } from './inputs.ts'

export type FuzzSize = {
  readonly http: number
  readonly hellos: number
  readonly parsed: number
  readonly seed: number
  readonly timeoutMs: number
}

const deadlineMs = 20_000
const concurrency = 48

export function fuzzContract({ http, hellos, parsed, seed, timeoutMs }: FuzzSize): void {
  test(`${http} HTTP inputs end without a crash, a hang or a leak`, { timeout: timeoutMs }, async () => {
    await using world = await openContentWorld(
      { kind: 'http', rules: [pathRule('/api', 'api'), { match: { cookie: { name: 'a' } }, pool: 'api' }] },
      { headTimeoutMs: 2000, bodyTimeoutMs: 2000, answerTimeoutMs: 5000, connectTimeoutMs: 2000 },
    )
    const [own, api] = [await world.server('own'), await world.server('api')]
    await world.into(undefined, [own])
    await world.into('api', [api])
    await settled(world, async () => {
      const hung = await fuzz(world.id, {
        count: http,
        concurrency,
        deadlineMs,
        input: (at) => httpInput(seeded(seed + at)),
      })
      expect(hung.map(String)).toEqual([])
    })
    // What was good among them has arrived; what arrived had one meaning.
    expect(own.seen.length + api.seen.length).toBeGreaterThan(http / 100)
    for (const { rawHeaders } of [...own.seen, ...api.seen]) {
      const names = rawHeaders.filter((_, at) => at % 2 === 0).map((name) => name.toLowerCase())
      expect(names.filter((name) => name === 'host').length).toBe(1)
      expect(
        names.filter((name) => name === 'content-length' || name === 'transfer-encoding').length,
      ).toBeLessThanOrEqual(1)
    }
  })

  test(`${hellos} first messages of TLS clients end without a crash, a hang or a leak`, {
    timeout: timeoutMs,
  }, async () => {
    const hello = await recordHello('shop.example')
    await using world = await openContentWorld(
      { kind: 'sni', rules: [{ match: { host: 'shop.example' }, pool: 'shop' }] },
      { headTimeoutMs: 2000, connectTimeoutMs: 2000 },
    )
    let reached = 0
    const shop = await world.net.tcpServer((socket) => {
      reached += 1
      socket.on('end', () => socket.end()).resume()
    })
    await world.into('shop', [shop])
    await settled(world, async () => {
      const input = (at: number): Buffer => helloInput(seeded(seed + at), hello)
      expect(
        (await fuzz(world.id, { count: hellos, concurrency, deadlineMs, input })).map((bytes) => bytes.toString('hex')),
      ).toEqual([])
    })
    expect(reached).toBeGreaterThan(hellos / 100)
    expect(reached).toBeLessThan(hellos)
  })

  test(`${hellos >> 2} first messages for TLS that ends here end without a crash, a hang or a leak`, {
    timeout: timeoutMs,
  }, async () => {
    const hello = await recordHello('shop.example')
    await using certificate = await temporaryCertificate()
    const certificates = [certificate]
    await using world = await openContentWorld({ kind: 'tls', rules: [], certificates }, { headTimeoutMs: 2000 })
    await settled(world, async () => {
      const input = (at: number): Buffer => helloInput(seeded(seed + at), hello)
      const hung = await fuzz(world.id, { count: hellos >> 2, concurrency, deadlineMs, input })
      expect(hung.map((bytes) => bytes.toString('hex'))).toEqual([])
    })
  })

  test(`${parsed} first messages are read, refused, or ask for more within bounds`, {
    timeout: timeoutMs,
  }, async () => {
    const hello = await recordHello('shop.example')
    for (let at = 0; at < parsed; at++) {
      const bytes = helloInput(seeded(seed + at), hello)
      const read = readClientHello(bytes)
      if (read.kind === 'more') expect(read.bytes).toBeLessThan(70_000)
      if (read.kind === 'hello') expect(read.serverName ?? '').not.toMatch(/[^\w.-]/u)
    }
  })
}

/** Nothing of what was done stays: no connection, no count, no descriptor, no exception. */
async function settled(world: ContentWorld, act: () => Promise<void>): Promise<void> {
  await world.raw('GET / HTTP/1.1\r\nHost: a\r\n\r\n')
  const before = openDescriptors()
  await act()
  await eventually('nothing runs any more', async () => (await world.connections()).length === 0, 30_000)
  const services = await world.engine.read({ signal: AbortSignal.timeout(10_000) })
  for (const { servers } of services)
    for (const { active, inactive } of servers) expect({ active, inactive }).toEqual({ active: 0, inactive: 0 })
  // Kept connections to servers are no leak: they are few, and go after their time.
  await eventually('descriptors are given back', () => openDescriptors() <= before + 2, 30_000)
  expect(world.reports).toEqual([])
}
