/** End to end: `baton director --config` with content rules, health checks and certificates, and clients that are not ours. */
import { type ChildProcess, execFile } from 'node:child_process'
import { rename, writeFile } from 'node:fs/promises'
import { createServer } from 'node:http'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { expect, test } from 'vitest'
import { type Baton, freePort, openBaton } from '../hello/baton.ts'
import { eventually } from '../net/loopback.ts'

const run = promisify(execFile)
const curl = async (...options: readonly string[]): Promise<string> =>
  (await run('curl', ['-sS', '-m', '10', ...options]).catch((error: unknown) => ({ stdout: String(error) }))).stdout

type RealServer = AsyncDisposable & { readonly port: number; isWell: boolean; slow: number }

/** Says its name; /slow takes a second; /healthz as it is. */
async function openServer(name: string): Promise<RealServer> {
  const self = { isWell: true, slow: 0 }
  const server = createServer((request, response) => {
    if (request.url === '/healthz') response.writeHead(self.isWell ? 200 : 500).end()
    else if (request.url?.endsWith('/slow') === true) {
      self.slow += 1
      setTimeout(() => response.end(`${name} slowly`), 1000)
    } else response.end(`${name} ${request.url}`)
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const address = server.address()
  return Object.assign(self, {
    port: typeof address === 'object' && address !== null ? address.port : 0,
    async [Symbol.asyncDispose]() {
      server.closeAllConnections()
      await new Promise((resolve) => server.close(resolve))
    },
  })
}

async function makeCertificate(directory: string, file: string, name: string): Promise<void> {
  await run('openssl', [
    'req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-days', '2', '-subj', `/CN=${name}`,
    '-addext', `subjectAltName=DNS:${name}`, '-keyout', join(directory, `${file}.key`), '-out', join(directory, `${file}.pem`),
  ]) // biome-ignore format: the options of one command
}

type Ports = { readonly http: number; readonly https: number; readonly sni: number }
type Servers = { readonly own: RealServer; readonly api: readonly RealServer[] }

const specOf = (ports: Ports, { own, api }: Servers, apiPath: string): string => `name: shop
services:
  web:
    address: "127.0.0.1:${ports.http}"
    scheduler: rr
    http:
      rules:
        - { path: ${apiPath}, to: api }
        - { host: "*.api.example", to: api }
        - { cookie: { name: beta, value: "yes" }, to: api }
    servers: [{ address: "127.0.0.1:${own.port}" }]
  secure:
    address: "127.0.0.1:${ports.https}"
    http:
      rules: [{ path: ${apiPath}, to: api }]
      certificates: [{ certificate: web.pem, key: web.key }]
    servers: [{ address: "127.0.0.1:${own.port}" }]
  passed:
    address: "127.0.0.1:${ports.sni}"
    sni: { rules: [{ host: shop.example, to: tls-servers }] }
    servers: []
  api:
    scheduler: rr
    servers: [${api.map(({ port }) => `{ address: "127.0.0.1:${port}" }`).join(', ')}]
    check: { http: /healthz, every: 200ms, timeout: 1s, rise: 1, fall: 1 }
  tls-servers:
    servers: [{ address: "127.0.0.1:${ports.https}" }]
`

async function started(
  baton: Baton,
  file: string,
): Promise<{ readonly child: ChildProcess; readonly ended: Promise<unknown> }> {
  let ended: Promise<unknown> = Promise.resolve()
  const child = await new Promise<ChildProcess>((resolve, reject) => {
    const all = baton.start(['director', '--config', file], (_, one) => resolve(one))
    ended = all
    all.then(({ stderr }) => reject(new Error(`the director ended: ${stderr}`)), reject)
  })
  return { child, ended }
}

test('content rules, health, TLS and a reload, with curl, python and openssl as clients', async () => {
  await using baton = openBaton()
  await using own = await openServer('own')
  await using first = await openServer('api-1')
  await using second = await openServer('api-2')
  const ports = { http: await freePort(), https: await freePort(), sni: await freePort() }
  const servers = { own, api: [first, second] }
  const file = join(baton.directory, 'baton.yaml')
  await makeCertificate(baton.directory, 'web', 'web.example')
  await writeFile(file, specOf(ports, servers, '/api'))
  const { child, ended } = await started(baton, file)
  const url = `http://127.0.0.1:${ports.http}`
  await eventually('the api is served', async () => (await curl(`${url}/api/x`)).startsWith('api-'))

  // One connection of curl, one of python's http.client: each request goes where its path says.
  const said = await curl(...['/a', '/api/b', '/c'].flatMap((path) => [`${url}${path}`, '-w', ' %{num_connects}\n']))
  expect(said).toMatch(/^own \/a 1\napi-[12] \/api\/b 0\nown \/c 0\n$/u)
  const program = `
import http.client
c = http.client.HTTPConnection('127.0.0.1', ${ports.http}, timeout=10)
for path in ['/a', '/api/b', '/c']:
    c.request('GET', path)
    print(c.getresponse().read().decode().split('-')[0].split(' ')[0])
`
  expect((await run('python3', ['-c', program])).stdout).toBe('own\napi\nown\n')
  expect(await curl('-H', 'Host: a.b.API.example', `${url}/`)).toMatch(/^api-/u)
  expect(await curl('-b', 'beta=yes', `${url}/`)).toMatch(/^api-/u)
  expect(await curl('-b', 'beta=no', `${url}/`)).toBe('own /')

  // Health: what fails is left out, a request in flight there still finishes; when all fail it is 503.
  const names = async (): Promise<string> => {
    const heard = new Set<string>()
    for (let times = 0; times < 6; times++) heard.add((await curl(`${url}/api`)).split(' ')[0] ?? '')
    return [...heard].sort().join()
  }
  await eventually('both take turns', async () => (await names()) === 'api-1,api-2')
  const slow = Promise.all([curl(`${url}/api/slow`), curl(`${url}/api/slow`)])
  await eventually('each has one', () => first.slow === 1 && second.slow === 1)
  first.isWell = false
  await eventually('the failed one is left out', async () => (await names()) === 'api-2')
  expect((await slow).sort()).toEqual(['api-1 slowly', 'api-2 slowly'])
  second.isWell = false
  await eventually(
    'nobody is there',
    async () => (await curl('-w', '%{http_code}', '-o', '/dev/null', `${url}/api`)) === '503',
  )
  first.isWell = true
  second.isWell = true
  await eventually('both are back', async () => (await names()) === 'api-1,api-2')

  // TLS that ends here, and the same passed through by its name.
  const secure = (port: number, name: string): Promise<string> =>
    curl(
      '--cacert',
      join(baton.directory, 'web.pem'),
      '--resolve',
      `${name}:${port}:127.0.0.1`,
      `https://${name}:${port}/api`,
    )
  expect(await secure(ports.https, 'web.example')).toMatch(/^api-/u)
  const dial = async (port: number, name: string): Promise<string> => {
    const dialled = run('openssl', ['s_client', '-connect', `127.0.0.1:${port}`, '-servername', name], {
      timeout: 10_000,
    })
    dialled.child.stdin?.end()
    const { stdout, stderr } = await dialled.catch((error: unknown) => error as { stdout: string; stderr: string })
    return stdout + stderr
  }
  expect(await dial(ports.sni, 'shop.example')).toContain('CN = web.example')
  expect(await dial(ports.sni, 'other.example')).toContain('unrecognized name')

  // A certificate that changes under way; a bad one is told in the status, and the old one serves on.
  await makeCertificate(baton.directory, 'next', 'next.example')
  await rename(join(baton.directory, 'next.key'), join(baton.directory, 'web.key'))
  await rename(join(baton.directory, 'next.pem'), join(baton.directory, 'web.pem'))
  await eventually('the new certificate serves', async () =>
    (await dial(ports.https, 'x')).includes('CN = next.example'),
  )
  await writeFile(join(baton.directory, 'web.pem'), 'garbage')
  await eventually('a bad one is told', async () =>
    JSON.stringify(await baton.json<object>('status')).includes('web.pem'),
  )
  expect(await dial(ports.https, 'x')).toContain('CN = next.example')

  // ipvsadm shows what has an address, pools have no form there.
  const listed = await baton.run('ipvsadm', '-L', '-n')
  expect(listed.stdout).toContain(`TCP  127.0.0.1:${ports.http} rr`)
  expect(listed.stdout).toContain(`-> 127.0.0.1:${own.port}`)
  expect(listed.stdout).not.toContain(String(first.port))

  // Other rules while requests run: none is lost, and those that run finish.
  const running = curl(`${url}/api/slow`)
  const talking = { isDone: false, wrong: [] as string[], rounds: 0 }
  const talk = (async () => {
    while (!talking.isDone) {
      const heard = await curl(`${url}/talk`)
      if (heard !== 'own /talk') talking.wrong.push(heard)
      talking.rounds += 1
    }
  })()
  await writeFile(file, specOf(ports, servers, '/v2'))
  child.kill('SIGHUP')
  await eventually(
    'the new rules hold',
    async () => (await curl(`${url}/v2`)).startsWith('api-') && (await curl(`${url}/api`)) === 'own /api',
  )
  talking.isDone = true
  await talk
  expect(talking.wrong).toEqual([])
  expect(talking.rounds).toBeGreaterThan(0)
  expect(await running).toMatch(/^api-[12] slowly$/u)

  child.kill('SIGTERM')
  await ended
  expect(await curl(`${url}/`)).toContain('curl: (7)')
})
