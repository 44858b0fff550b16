/** End to end: `baton director --config` with a DNS-based service and health checks, asked by dig while servers fail. */
import { execFile } from 'node:child_process'
import { writeFileSync } from 'node:fs'
import { createServer, type Server } from 'node:http'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { expect, test } from 'vitest'
import { freePort } from '../../src/engines/dns/dns-world.contract.ts'
import { type Baton, openBaton } from '../hello/baton.ts'
import { eventually } from '../net/loopback.ts'

const execute = promisify(execFile)

/** Answers its checks, or not. */
type RealServer = AsyncDisposable & { isWell: boolean }

async function openServer(address: string, port: number): Promise<RealServer> {
  const self = { isWell: true }
  const server: Server = createServer((_request, response) => {
    response.statusCode = self.isWell ? 200 : 500
    response.end()
  })
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject)
    server.listen(port, address, resolve)
  })
  return Object.assign(self, {
    async [Symbol.asyncDispose]() {
      server.closeAllConnections()
      await new Promise((resolve) => server.close(resolve))
    },
  })
}

async function dig(port: number, ...words: readonly string[]): Promise<string[]> {
  const fixed = ['@127.0.0.1', '-p', String(port), '+time=1', '+tries=1']
  const { stdout } = await execute('dig', [...fixed, ...words], { timeout: 5000 }).catch(() => ({ stdout: '' }))
  return stdout.split('\n').filter((line) => line !== '' && !line.startsWith(';; comm'))
}

function writeSpec(baton: Baton, port: number, serverPort: number, more = ''): string {
  const file = join(baton.directory, 'baton.yaml')
  const servers = ['127.0.0.2', '127.0.0.3'].map((address) => `{ address: "${address}:${serverPort}" }`)
  writeFileSync(
    file,
    [
      'name: shop',
      'services:',
      '  www:',
      `    address: "127.0.0.1:${port}"`,
      '    dns: { name: WWW.shop., ttl: 2s }',
      `    servers: [${servers.join(', ')}]`,
      '    check: { http: /, every: 200ms, timeout: 500ms, rise: 1, fall: 2 }',
      more,
    ].join('\n'),
  )
  return file
}

test('dig gets only healthy servers, and a change within the fall time of the check', async () => {
  await using baton = openBaton()
  const [port, serverPort] = [await freePort(), await freePort()]
  await using two = await openServer('127.0.0.2', serverPort)
  await using three = await openServer('127.0.0.3', serverPort)
  const file = writeSpec(baton, port, serverPort)
  const lines: string[] = []
  let child: { readonly pid?: number | undefined; kill(signal: NodeJS.Signals): boolean } | undefined
  const ended = baton.start(['director', '--config', file], (line, started) => {
    child = started
    lines.push(line)
  })
  const addresses = async (): Promise<string> => (await dig(port, '+short', 'www.shop')).sort().join(' ')
  const both = '127.0.0.2 127.0.0.3'
  await eventually('both are answered', async () => (await addresses()) === both)

  two.isWell = false
  const failedAt = Date.now()
  await eventually('only the healthy one is answered', async () => (await addresses()) === '127.0.0.3')
  // Two checks, one every 200 ms, of at most 500 ms each; the rest is for a busy machine.
  expect(Date.now() - failedAt).toBeLessThan(5000)
  expect(await dig(port, '+short', 'SRV', '_http._tcp.www.shop')).toEqual([`0 1 ${serverPort} 127-0-0-3.www.shop.`])
  three.isWell = false
  await eventually('nobody is', async () => (await dig(port, 'www.shop')).join().includes('SERVFAIL'))
  two.isWell = true
  three.isWell = true
  await eventually('both are back', async () => (await addresses()) === both)

  expect((await baton.run('drain', `127.0.0.2:${serverPort}`)).code).toBe(0)
  await eventually('a drained server is not answered', async () => (await addresses()) === '127.0.0.3')
  expect((await baton.run('undrain', `127.0.0.2:${serverPort}`)).code).toBe(0)
  await eventually('it is back', async () => (await addresses()) === both)

  type Status = {
    readonly services: readonly {
      readonly kind: string
      readonly dnsName: string
      readonly counters: { readonly connections: number }
    }[]
  }
  const status = await baton.json<Status>('status')
  expect(status.services[0]).toMatchObject({ kind: 'dns', dnsName: 'www.shop' })
  expect(status.services[0]?.counters.connections).toBeGreaterThan(0)

  writeSpec(
    baton,
    port,
    serverPort,
    `  api:\n    address: "127.0.0.1:${port}"\n    dns: { name: api.shop }\n    servers: [{ address: "127.0.0.3:${serverPort}" }]`,
  )
  child?.kill('SIGHUP')
  await eventually(
    'a second name at the same address',
    async () => (await dig(port, '+short', 'api.shop')).join() === '127.0.0.3',
  )
  expect(await addresses()).toBe(both)
  child?.kill('SIGTERM')
  await ended
  expect(await addresses()).toBe('')
})
