/** Other programs that resolve names: the C library's, busybox's, Node's, and a caching resolver between. */

import { Resolver } from 'node:dns/promises'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { eventually } from '../net/loopback.ts'
import { type Chain, isRoot, openChain } from '../net/namespaces.ts'
import { openShop, serverChange, within } from './world.ts'

const loader = import.meta.resolve('tsx')
if (!isRoot())
  console.log('labs/dns: not root, so that no namespace can be made: getent, busybox and dnsmasq are left out')

describe.skipIf(!isRoot())('in a namespace, at port 53', () => {
  let chain: Chain
  let directory: string

  beforeAll(async () => {
    directory = mkdtempSync(join(tmpdir(), 'baton-dns-'))
    chain = await openChain(1)
    const responder = chain.start(0, [
      process.execPath,
      '--import',
      loader,
      join(import.meta.dirname, 'responder.ts'),
      '127.0.0.1',
      '53',
      '3',
    ])
    await new Promise<void>((resolve, reject) => {
      responder.stdout?.once('data', () => resolve())
      responder.once('exit', () => reject(new Error('the responder ended')))
    })
  })
  afterAll(async () => {
    await chain[Symbol.asyncDispose]()
    rmSync(directory, { recursive: true })
  })

  /** Runs it where /etc/resolv.conf names this server. */
  async function resolving(server: string, ...command: readonly string[]): Promise<string> {
    const file = join(directory, 'resolv.conf')
    writeFileSync(file, `nameserver ${server}\noptions timeout:2 attempts:1\n`)
    const script = `mount --bind ${file} /etc/resolv.conf && ${command.join(' ')}`
    return await chain.run(0, ['unshare', '--mount', 'sh', '-c', script], 20_000)
  }

  test('getent finds all servers of both families', async () => {
    const lines = (await resolving('127.0.0.1', 'getent', 'ahosts', 'www.shop')).split('\n')
    const found = new Set(lines.flatMap((line) => /^(\S+)\s+STREAM/.exec(line)?.[1] ?? []))
    expect(found).toEqual(new Set(['10.0.0.0', '10.0.0.1', '10.0.0.2', 'fd00::1']))
    expect(await resolving('127.0.0.1', 'getent', 'ahosts', 'no.www.shop', '||', 'echo', 'code', '$?')).toBe('code 2\n')
  })

  test("busybox's nslookup does, too", async () => {
    const found = await resolving('127.0.0.1', 'busybox', 'nslookup', 'www.shop')
    for (const address of ['10.0.0.0', '10.0.0.1', '10.0.0.2', 'fd00::1'])
      expect(found).toContain(`Address: ${address}`)
  })

  test('a caching resolver asks once in a TTL, and keeps what is not there no longer', async () => {
    chain.start(0, [
      'dnsmasq',
      '--keep-in-foreground',
      '--conf-file=/dev/null',
      '--no-hosts',
      '--no-resolv',
      '--listen-address=127.0.0.5',
      '--bind-interfaces',
      '--port=53',
      '--server=127.0.0.1',
      '--user=root',
      '--pid-file=',
    ])
    const dig = async (...words: readonly string[]): Promise<string> =>
      await chain.run(0, ['dig', '@127.0.0.5', '+time=1', '+tries=1', '+noall', '+answer', '+authority', ...words])
    await eventually('the resolver answers', async () => (await dig('www.shop').catch(() => '')).includes('10.0.0.1'))
    const ttls = async (name: string): Promise<number[]> =>
      [...(await dig(name)).matchAll(/^\S+\s+(\d+)\s+IN/gmu)].map(([, ttl]) => Number(ttl))
    const first = await ttls('www.shop')
    expect(first).toHaveLength(3)
    for (const ttl of first) expect(ttl).toBeLessThanOrEqual(5)
    expect(await ttls('no.www.shop')).toEqual([expect.any(Number)])
    await eventually('what was kept grows older', async () => (await ttls('www.shop')).every((ttl) => ttl < 5))
    await eventually('and is asked for anew', async () => (await ttls('www.shop')).every((ttl) => ttl === 5))
  })
})

test("Node's own resolver gets every kind of record", async () => {
  await using shop = await openShop()
  const id = await shop.serve(
    'www.shop',
    [
      { address: '10.0.0.1', weight: 2 },
      { address: 'fd00::1', port: 81 },
    ],
    { ttlSeconds: 7 },
  )
  const resolver = new Resolver({ timeout: 2000, tries: 1 })
  resolver.setServers([`127.0.0.1:${shop.port}`])
  expect(await resolver.resolve4('www.shop', { ttl: true })).toEqual([{ address: '10.0.0.1', ttl: 7 }])
  expect(await resolver.resolve6('WWW.SHOP')).toEqual(['fd00::1'])
  expect((await resolver.resolveSrv('_http._tcp.www.shop')).sort((a, b) => a.port - b.port)).toEqual([
    { name: '10-0-0-1.www.shop', port: 80, priority: 0, weight: 2 },
    { name: 'fd00-0-0-0-0-0-0-1.www.shop', port: 81, priority: 0, weight: 1 },
  ])
  expect(await resolver.resolveNs('www.shop')).toEqual(['ns.www.shop'])
  expect(await resolver.resolveSoa('www.shop')).toMatchObject({ nsname: 'ns.www.shop', minttl: 7 })
  await expect(resolver.resolveTxt('www.shop')).rejects.toMatchObject({ code: 'ENODATA' })
  await expect(resolver.resolve4('no.www.shop')).rejects.toMatchObject({ code: 'ENOTFOUND' })
  await shop.engine.apply(
    ['10.0.0.1', 'fd00::1'].map((address) =>
      serverChange(id, { address, port: address === 'fd00::1' ? 81 : 80, weight: 0 }),
    ),
    within(),
  )
  await expect(resolver.resolve4('www.shop')).rejects.toMatchObject({ code: 'ESERVFAIL' })
})
