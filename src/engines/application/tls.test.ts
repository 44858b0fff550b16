import { execFile } from 'node:child_process'
import { copyFile, mkdtemp, rename, rm, writeFile } from 'node:fs/promises'
import { request as httpsRequest } from 'node:https'
import { connect as netConnect } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createServer as createTlsServer, type TLSSocket, connect as tlsConnect } from 'node:tls'
import { promisify } from 'node:util'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { eventually, type Place, readText, sleep } from '../../../labs/net/loopback.ts'
import type { Certificate } from '../../lvs/application.ts'
import { addService, aService, errorOf, within } from '../engine.contract.ts'
import { type ContentWorld, openContentWorld, pathRule } from './content-world.contract.ts'

const run = promisify(execFile)
let directory = ''

/** A certificate of its own for each list of names. */
async function certificate(file: string, ...names: string[]): Promise<Certificate & { readonly pem: string }> {
  const [pem, key] = [join(directory, `${file}.pem`), join(directory, `${file}.key`)]
  const alternatives = names.map((name) => `DNS:${name}`).join(',')
  await run('openssl', [
    'req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-days', '2',
    '-subj', `/CN=${names[0]}`, '-addext', `subjectAltName=${alternatives}`, '-keyout', key, '-out', pem,
  ]) // biome-ignore format: the options of one command
  return { certificate: pem, key, pem }
}

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'baton-tls-'))
})
afterAll(() => rm(directory, { recursive: true, force: true }))

type Dialled = { readonly socket: TLSSocket; readonly subject: string; readonly protocol: string | false | null }

async function dialTls({ address, port }: Place, name: string | undefined, options = {}): Promise<Dialled> {
  const socket = tlsConnect({
    host: address,
    port,
    rejectUnauthorized: false,
    ...(name === undefined ? {} : { servername: name }),
    ...options,
  })
  socket.on('error', () => undefined)
  await new Promise<void>((resolve, reject) => socket.once('secureConnect', resolve).once('error', reject))
  return { socket, subject: String(socket.getPeerCertificate().subject.CN), protocol: socket.alpnProtocol }
}

/** A TLS server that says its name, then what it hears. */
async function tlsServer(name: string, files: Certificate): Promise<Place & AsyncDisposable> {
  const { readFile } = await import('node:fs/promises')
  const [cert, key] = [await readFile(files.certificate), await readFile(files.key)]
  const server = createTlsServer({ cert, key }, (socket) => {
    socket.on('error', () => undefined).write(name)
    socket.pipe(socket)
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const address = server.address()
  return {
    address: '127.0.0.1',
    port: typeof address === 'object' && address !== null ? address.port : 0,
    async [Symbol.asyncDispose]() {
      server.close()
    },
  }
}

const openssl = async (...options: string[]): Promise<string> => {
  const child = run('openssl', ['s_client', ...options], { timeout: 10_000 })
  child.child.stdin?.end()
  const said = await child.catch((error: unknown) => error as { stdout: string; stderr: string })
  return said.stdout + said.stderr
}

describe('TLS by server name, passed through', () => {
  const sniWorld = async (): Promise<ContentWorld> =>
    await openContentWorld({
      kind: 'sni',
      rules: [
        { match: { host: 'shop.example' }, pool: 'shop' },
        { match: { host: '*.api.example' }, pool: 'api' },
      ],
    })

  test('each name reaches its pool, and the certificate that the client sees is the server’s', async () => {
    await using world = await sniWorld()
    await using shop = await tlsServer('shop', await certificate('shop', 'shop.server'))
    await using api = await tlsServer('api', await certificate('api', 'api.server'))
    await using own = await tlsServer('own', await certificate('own', 'own.server'))
    await world.into('shop', [shop])
    await world.into('api', [api])
    await world.into(undefined, [own])
    const at = `${world.id.address}:${world.id.port}`
    expect(await openssl('-connect', at, '-servername', 'SHOP.example')).toContain('CN = shop.server')
    expect(await openssl('-connect', at, '-servername', 'a.b.api.example', '-tls1_2')).toContain('CN = api.server')
    expect(await openssl('-connect', at, '-servername', 'other.example')).toContain('CN = own.server')
    expect(await openssl('-connect', at, '-noservername')).toContain('CN = own.server')
    const { socket } = await dialTls(world.id, 'shop.example')
    expect(await readText(socket)).toBe('shop')
    expect(await world.snapshot(shop, 'shop')).toMatchObject({ active: 1 })
    socket.destroy()
    await eventually('nothing stays', async () => (await world.connections()).length === 0)
  })

  test('a hello in small pieces is put together, and all its bytes are passed on', async () => {
    await using world = await sniWorld()
    await using shop = await tlsServer('shop', await certificate('drip', 'shop.server'))
    await world.into('shop', [shop])
    const raw = netConnect({ ...world.id, host: world.id.address, noDelay: true })
    const { Duplex } = await import('node:stream')
    const slow = new Duplex({
      read: () => undefined,
      write(chunk: Buffer, _, done) {
        const pieces = chunk.length > 100 ? chunk.length : 1
        let at = 0
        const next = (): void => {
          if (at >= chunk.length) return done()
          raw.write(chunk.subarray(at, at + Math.ceil(chunk.length / Math.min(pieces, 60))))
          at += Math.ceil(chunk.length / Math.min(pieces, 60))
          setTimeout(next, 2)
        }
        next()
      },
    })
    raw.on('data', (chunk) => slow.push(chunk)).on('end', () => slow.push(null))
    const socket = tlsConnect({ socket: slow, servername: 'shop.example', rejectUnauthorized: false })
    expect(await readText(socket)).toBe('shop')
    raw.destroy()
  })

  test('a name that nobody serves is told so, and what is no TLS is refused', async () => {
    await using world = await sniWorld()
    const said = await openssl('-connect', `${world.id.address}:${world.id.port}`, '-servername', 'other.example')
    expect(said).toMatch(/unrecognized name/u)
    const heard = await world.raw(`GET / HTTP/1.1\r\nHost: a\r\n\r\n`, 2000)
    expect(heard).toEqual({ text: '\x15\x03\x03\x00\x02\x02\x32', isClosed: true })
  })

  test('a client that does not say its name in time is closed', async () => {
    await using world = await openContentWorld({ kind: 'sni', rules: [] }, { headTimeoutMs: 300 })
    expect(await world.raw('\x16\x03\x01', 5000)).toEqual({ text: '', isClosed: true })
  })

  test('a server that cannot be reached gives way, and none at all is an alert', async () => {
    await using world = await sniWorld()
    await using shop = await tlsServer('shop', await certificate('way', 'shop.server'))
    await world.into('shop', [shop, await world.net.freePlace()])
    for (let times = 0; times < 3; times++) {
      const { socket } = await dialTls(world.id, 'shop.example')
      expect(await readText(socket)).toBe('shop')
      socket.destroy()
    }
    await world.into('api', [await world.net.freePlace()])
    await expect(dialTls(world.id, 'x.api.example')).rejects.toThrow(/alert internal error/u)
  })
})

describe('TLS that ends here', () => {
  test('plain bytes go on to the server by name, and the certificate is the one for the name', async () => {
    const certificates = [await certificate('a', 'a.example'), await certificate('b', '*.b.example', 'b.example')]
    const application = { kind: 'tls', rules: [{ match: { host: 'x.b.example' }, pool: 'b' }], certificates } as const
    await using world = await openContentWorld(application)
    const [a, b] = [
      await world.net.tcpServer((socket) =>
        socket
          .on('end', () => socket.end())
          .resume()
          .write('plain a'),
      ),
      await world.net.tcpServer((socket) => socket.pipe(socket)),
    ]
    await world.into(undefined, [a])
    await world.into('b', [b])
    const first = await dialTls(world.id, 'a.example')
    expect(first.subject).toBe('a.example')
    expect(await readText(first.socket)).toBe('plain a')
    first.socket.destroy()
    const second = await dialTls(world.id, 'x.b.example', { ALPNProtocols: ['imap'] })
    expect(second).toMatchObject({ subject: '*.b.example', protocol: false })
    second.socket.write('echo')
    expect(await readText(second.socket)).toBe('echo')
    expect(await world.snapshot(b, 'b')).toMatchObject({ active: 1, counters: { bytesIn: 4, bytesOut: 4 } })
    second.socket.end()
    await eventually('it ends in good order', () => second.socket.readableEnded)
    expect((await dialTls(world.id, undefined)).subject).toBe('a.example')
    await eventually('only the last stays', async () => (await world.connections()).length === 1)
  })

  test('a large answer arrives whole, and a slow reader holds its server back', async () => {
    await using world = await openContentWorld({
      kind: 'tls',
      rules: [],
      certificates: [await certificate('big', 'a')],
    })
    const blob = Buffer.alloc(32 * 1024 * 1024, 'x')
    const server = await world.net.tcpServer((socket) => void socket.end(blob))
    await world.into(undefined, [server])
    const { socket } = await dialTls(world.id, 'a')
    await sleep(200)
    expect((await world.snapshot(server))?.counters.bytesOut).toBeLessThan(blob.length)
    let heard = 0
    socket.on('data', (chunk: Buffer) => {
      heard += chunk.length
    })
    await eventually('all is there', () => heard === blob.length && socket.readableEnded)
  })

  test('old versions and other protocols are refused', async () => {
    await using world = await openContentWorld({
      kind: 'http',
      rules: [],
      certificates: [await certificate('old', 'a')],
    })
    await world.into(undefined, [await world.server('A')])
    await expect(
      dialTls(world.id, 'a', { minVersion: 'TLSv1', maxVersion: 'TLSv1.1', ciphers: 'ALL@SECLEVEL=0' }),
    ).rejects.toThrow(/version/u)
    await expect(dialTls(world.id, 'a', { ALPNProtocols: ['h2'] })).rejects.toThrow(/application protocol/u)
    expect((await dialTls(world.id, 'a', { ALPNProtocols: ['h2', 'http/1.1'] })).protocol).toBe('http/1.1')
    expect((await world.raw('GET / HTTP/1.1\r\nHost: a\r\n\r\n', 2000)).isClosed).toBe(true)
  })

  test('HTTPS: curl’s one connection is split by path, and the servers hear of https', async () => {
    const files = await certificate('web', 'web.example')
    await using world = await openContentWorld({
      kind: 'http',
      rules: [pathRule('/api', 'api')],
      certificates: [files],
    })
    const [own, api] = [await world.server('own'), await world.server('api')]
    await world.into(undefined, [own])
    await world.into('api', [api])
    const url = `https://web.example:${world.id.port}`
    const { stdout } = await run('curl', [
      '-sS', '-m', '10', '--cacert', files.pem, '--resolve', `web.example:${world.id.port}:127.0.0.1`,
      '-w', ' %{num_connects}\n', `${url}/x`, `${url}/api`, `${url}/y`,
    ]) // biome-ignore format: the options of one command
    expect(stdout).toBe('own GET /x 1\napi GET /api 0\nown GET /y 0\n')
    expect(own.seen[0]?.rawHeaders.join(' ')).toContain('X-Forwarded-Proto https')
  })

  test('smuggling and slow heads are refused inside of TLS as well', async () => {
    const application = { kind: 'http', rules: [], certificates: [await certificate('strict', 'a')] } as const
    await using world = await openContentWorld(application, { headTimeoutMs: 500 })
    const server = await world.server('A')
    await world.into(undefined, [server])
    const { socket } = await dialTls(world.id, 'a')
    socket.write('POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n')
    expect(await readText(socket)).toMatch(/^HTTP\/1\.1 400 /u)
    const slow = (await dialTls(world.id, 'a')).socket
    slow.write('GET / HTTP/1.1\r\n')
    expect(await readText(slow)).toMatch(/^HTTP\/1\.1 408 /u)
    expect(server.seen).toEqual([])
  })
})

describe('certificates that change', () => {
  test('a new pair serves new clients without a word, a bad one leaves the old serving and is told once', async () => {
    const files = await certificate('live', 'old.example')
    const application = { kind: 'http', rules: [], certificates: [files] } as const
    await using world = await openContentWorld(application, { certificatePollMs: 50 })
    const server = await world.server('A', (_, response) => setTimeout(() => response.end('done'), 600))
    await world.into(undefined, [server])
    const subject = async (name?: string): Promise<string> => {
      const { socket, subject } = await dialTls(world.id, name)
      socket.destroy()
      return subject
    }
    expect(await subject('x')).toBe('old.example')
    const running = new Promise<string>((resolve, reject) => {
      const options = { host: world.id.address, port: world.id.port, rejectUnauthorized: false }
      httpsRequest(options, (incoming) => incoming.setEncoding('utf8').on('data', resolve))
        .on('error', reject)
        .end()
    })
    const next = await certificate('next', 'new.example')
    await rename(next.key, files.key)
    await eventually('half a pair is no pair', () => world.reports.length === 1)
    expect(world.reports[0]).toMatchObject({ kind: 'certificate.kept', file: files.key })
    expect(await subject('x')).toBe('old.example')
    await rename(next.certificate, files.certificate)
    await eventually('the new one serves', async () => (await subject('x')) === 'new.example')
    expect(await subject()).toBe('new.example')
    expect(await running).toBe('done')

    await writeFile(files.certificate, 'garbage')
    await eventually('it is told', () => world.reports.length === 3)
    expect(world.reports.slice(1)).toMatchObject([
      { kind: 'certificate.reloaded' },
      { kind: 'certificate.kept', file: files.certificate },
    ])
    await rm(files.certificate)
    await eventually('it is told', () => world.reports.length === 4)
    await sleep(200)
    expect(world.reports.length).toBe(4)
    expect(await subject('x')).toBe('new.example')
  })

  test('other certificates, and none, are an update of the service; a bad one changes nothing', async () => {
    const [one, two] = [await certificate('one', 'one.example'), await certificate('two', 'two.example')]
    await using world = await openContentWorld({ kind: 'http', rules: [], certificates: [one] })
    await world.into(undefined, [await world.server('A')])
    const kept = await dialTls(world.id, 'x')
    await world.serve({ kind: 'http', rules: [], certificates: [two, one] })
    expect((await dialTls(world.id, 'x')).subject).toBe('two.example')
    expect((await dialTls(world.id, 'one.example')).subject).toBe('one.example')

    const wrong = join(directory, 'wrong.key')
    await copyFile(one.key, wrong)
    const bad = { kind: 'http', rules: [], certificates: [{ certificate: two.certificate, key: wrong }] } as const
    const changes = [addService(aService(world.id, { scheduler: 'lc', application: bad }))]
    expect(await errorOf(world.engine.apply(changes, within()))).toMatchObject({ code: 'invalid', subject: wrong })
    expect((await world.engine.read(within()))[0]?.service.scheduler).toBe('rr')
    expect((await dialTls(world.id, 'x')).subject).toBe('two.example')

    await world.serve({ kind: 'http', rules: [] })
    expect((await world.raw('GET /plain HTTP/1.1\r\nHost: a\r\n\r\n')).text).toContain('A GET /plain')
    kept.socket.write('GET /kept HTTP/1.1\r\nHost: a\r\n\r\n')
    expect(await readText(kept.socket)).toContain('A GET /kept')
  })
})
