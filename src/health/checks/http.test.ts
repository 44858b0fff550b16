import { createServer as createHttpServer, type RequestListener } from 'node:http'
import { createServer as createHttpsServer } from 'node:https'
import type { Socket } from 'node:net'
import type { TLSSocket } from 'node:tls'
import { describe, expect, test } from 'vitest'
import { deadlineMs, listen, makeCertificate, probe, raw } from '../../../test/build/servers.ts'
import type { HttpCheckSpec } from '../check.ts'
import { standsMisbehaviour } from './misbehaviour.contract.ts'

const http = (changes: Partial<HttpCheckSpec> = {}): HttpCheckSpec => ({
  kind: 'http',
  path: '/healthz',
  status: [200],
  ...changes,
})

const answer =
  (status: number, body: string): RequestListener =>
  (_request, response) =>
    void response.writeHead(status).end(body)

describe('check http', () => {
  test.each<{ name: string; spec: HttpCheckSpec; serve: RequestListener; healthy: boolean; detail: string }>([
    {
      name: 'the wanted status is healthy',
      spec: http(),
      serve: answer(200, 'ok'),
      healthy: true,
      detail: 'status 200',
    },
    { name: 'another status is not', spec: http(), serve: answer(503, ''), healthy: false, detail: 'status 503' },
    {
      name: 'a range of statuses',
      spec: http({ status: [[200, 299], 404] }),
      serve: answer(204, ''),
      healthy: true,
      detail: 'status 204',
    },
    {
      name: 'a single status beside a range',
      spec: http({ status: [[200, 299], 404] }),
      serve: answer(404, ''),
      healthy: true,
      detail: 'status 404',
    },
    {
      name: 'a redirect is not followed',
      spec: http(),
      serve: (_request, response) => void response.writeHead(302, { Location: '/' }).end(),
      healthy: false,
      detail: 'status 302',
    },
    {
      name: 'a body that matches',
      spec: http({ body: '^all (good|fine)' }),
      serve: answer(200, 'all fine here'),
      healthy: true,
      detail: 'body matches',
    },
    {
      name: 'a body that does not',
      spec: http({ body: '^all good' }),
      serve: answer(200, 'not good'),
      healthy: false,
      detail: 'does not match',
    },
    {
      name: 'a pattern beyond the first 64 KiB is not found',
      spec: http({ body: 'end' }),
      serve: answer(200, `${'x'.repeat(100_000)}end`),
      healthy: false,
      detail: 'does not match',
    },
    {
      name: 'a body whose MD5 is the expected one, however long it is',
      spec: http({ md5: 'ec78dbd963d2fc01e51176ed4dec299e' }),
      serve: answer(200, 'x'.repeat(1_000_000)),
      healthy: true,
      detail: 'the body is the expected one',
    },
    {
      name: 'a body whose MD5 is another',
      spec: http({ md5: 'ec78dbd963d2fc01e51176ed4dec299e' }),
      serve: answer(200, 'y'),
      healthy: false,
      detail: "the body's MD5 is 415290769594460e2e485922904f345d",
    },
    {
      name: 'a pattern whatever the case, where it may begin',
      spec: http({ body: 'GOOD', bodyMatch: { flags: 'i', from: 4, until: 4 } }),
      serve: answer(200, 'all good'),
      healthy: true,
      detail: 'body matches',
    },
    {
      name: 'a pattern that begins too late',
      spec: http({ body: 'good', bodyMatch: { until: 3 } }),
      serve: answer(200, 'all good'),
      healthy: false,
      detail: 'does not match',
    },
    {
      name: 'a pattern that must not be there, and is',
      spec: http({ body: 'bad', bodyMatch: { isAbsent: true } }),
      serve: answer(200, 'bad luck'),
      healthy: false,
      detail: 'the body matches bad',
    },
    {
      name: 'or is not',
      spec: http({ body: 'bad', bodyMatch: { isAbsent: true } }),
      serve: answer(200, 'all good'),
      healthy: true,
      detail: 'body matches',
    },
    {
      name: 'path and host are as asked',
      spec: http({ path: '/a?b=c', host: 'www.shop', body: '^/a\\?b=c www.shop$' }),
      serve: (request, response) => void response.end(`${request.url} ${request.headers.host}`),
      healthy: true,
      detail: 'body matches',
    },
    {
      name: 'without a host the server’s address and port are asked for',
      spec: http({ body: '^127\\.0\\.0\\.1:[1-9][0-9]+$' }),
      serve: (request, response) => void response.end(request.headers.host),
      healthy: true,
      detail: 'body matches',
    },
  ])('$name', async ({ spec, serve, healthy, detail }) => {
    await using server = await listen(createHttpServer(serve))
    expect(await probe(spec, server.port)).toMatchObject({ healthy, detail: expect.stringContaining(detail) as string })
    await expect.poll(() => server.open()).toBe(0)
  })

  test.each<{ name: string; spec?: HttpCheckSpec; speak: (socket: Socket) => void }>([
    { name: 'one that begins an answer and stops', speak: (socket) => void socket.write('HTTP/1.1 200') },
    {
      name: 'one that never ends its body',
      spec: http({ body: 'x' }),
      speak: (socket) => void socket.write('HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nab'),
    },
    {
      name: 'one that drips headers for ever',
      speak: (socket) => {
        socket.write('HTTP/1.1 200 OK\r\n')
        const drip = setInterval(() => socket.write('X: y\r\n'), 20)
        socket.on('close', () => clearInterval(drip))
      },
    },
    {
      name: 'one that changes the protocol',
      spec: http({ body: 'x' }),
      speak: (socket) => void socket.write('HTTP/1.1 101 Switching\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\n'),
    },
    {
      name: 'one that only ever says: go on',
      speak: (socket) => {
        const drip = setInterval(() => socket.write('HTTP/1.1 100 Continue\r\n\r\n'), 10)
        socket.on('close', () => clearInterval(drip))
      },
    },
    {
      name: 'one whose headers never end',
      speak: (socket) => void socket.write(`HTTP/1.1 200 OK\r\nX: ${'y'.repeat(100_000)}`),
    },
    {
      name: 'one that breaks off in its body',
      spec: http({ body: 'ab' }),
      speak: (socket) => {
        socket.write('HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nab')
        setTimeout(() => socket.resetAndDestroy(), 20)
      },
    },
    { name: 'one that speaks something else', speak: (socket) => void socket.write('220 mail ready\r\n') },
  ])('$name is not healthy, in time, and no socket is left', async ({ spec = http(), speak }) => {
    await using server = await raw(speak)
    const begun = performance.now()
    expect((await probe(spec, server.port)).healthy).toBe(false)
    expect(performance.now() - begun).toBeLessThan(8 * deadlineMs)
    await expect.poll(() => server.open()).toBe(0)
  })
})

describe('check http with a pattern', () => {
  test('a pattern that backtracks without end is no match, and holds nobody up', async () => {
    await using server = await listen(createHttpServer(answer(200, `${'a'.repeat(60)}!`)))
    const begun = performance.now()
    const result = await probe(http({ body: '^(a+)+$' }), server.port)
    expect(result).toMatchObject({ healthy: false, detail: expect.stringContaining('too long') as string })
    expect(performance.now() - begun).toBeLessThan(8 * deadlineMs)
  })

  test('a body that drips is read until its pattern is decided', async () => {
    await using server = await raw((socket) => {
      const parts = ['HTTP/1.1 200 OK\r\n\r\n', 'al', 'l w', 'ell']
      const drip = setInterval(() => {
        const part = parts.shift()
        if (part === undefined) socket.end()
        else socket.write(part)
      }, 5)
      socket.on('close', () => clearInterval(drip))
    })
    expect((await probe(http({ body: '^all well$' }), server.port)).healthy).toBe(true)
  })

  test('a large body is not read to its end', async () => {
    await using server = await raw((socket) => {
      socket.write('HTTP/1.1 200 OK\r\n\r\nall well')
      const flood = setInterval(() => socket.write('x'.repeat(65_536)), 1)
      socket.on('close', () => clearInterval(flood))
    })
    expect((await probe(http({ body: '^all well' }), server.port)).healthy).toBe(true)
    await expect.poll(() => server.open()).toBe(0)
  })

  test('what cannot be sent is a failed check', async () => {
    for (const spec of [http({ path: '/a b\n' }), http({ host: 'bad\nname' })])
      expect(await probe(spec, 1)).toMatchObject({
        healthy: false,
        detail: expect.stringMatching(/^cannot ask/) as string,
      })
  })
})

describe('check http over TLS', () => {
  const certificate = makeCertificate()
  const serve: RequestListener = (request, response) => {
    const name = (request.socket as TLSSocket & { servername?: string | false }).servername
    response.end(name === false || name === undefined ? 'no name' : name)
  }

  test.each<{ name: string; spec: HttpCheckSpec; healthy: boolean }>([
    {
      name: 'any certificate will do when it is not to be verified',
      spec: http({ tls: { verify: false } }),
      healthy: true,
    },
    { name: 'an unknown one will not when it is', spec: http({ tls: { verify: true } }), healthy: false },
    {
      name: 'the host is the server name',
      spec: http({ host: 'www.shop', body: '^www.shop$', tls: { verify: false } }),
      healthy: true,
    },
    {
      name: 'sni says another',
      spec: http({ host: 'www.shop', body: '^api.shop$', tls: { verify: false, sni: 'api.shop' } }),
      healthy: true,
    },
  ])('$name', async ({ spec, healthy }) => {
    await using server = await listen(createHttpsServer(certificate, serve))
    expect((await probe(spec, server.port)).healthy).toBe(healthy)
  })

  test('a server without TLS is not healthy', async () => {
    await using server = await listen(createHttpServer(answer(200, 'ok')))
    expect((await probe(http({ tls: { verify: false } }), server.port)).healthy).toBe(false)
  })
})

describe('check http asks', () => {
  /** Says what it was asked. */
  const echo: RequestListener = (request, response) => {
    let body = ''
    request.on('data', (chunk: Buffer) => {
      body += chunk.toString()
    })
    request.on('end', () => {
      const { host, accept, connection, 'x-check': own, 'content-length': length } = request.headers
      response.end([request.method, request.url, host, accept, connection, own, length, body].join('|'))
    })
  }

  test.each<{ name: string; spec: Partial<HttpCheckSpec>; says: string }>([
    { name: 'with GET', spec: { host: 'a' }, says: '^GET\\|/healthz\\|a\\|\\*/\\*\\|close\\|\\|\\|$' },
    {
      name: 'with POST and a body',
      spec: { host: 'a', method: 'POST', send: 'ä' },
      says: '^POST\\|/healthz\\|a\\|\\*/\\*\\|close\\|\\|2\\|ä$',
    },
    {
      name: 'with headers of its own, in whatever case',
      spec: { headers: { 'X-Check': '1', ACCEPT: 'text/plain', host: 'b' } },
      says: '^GET\\|/healthz\\|b\\|text/plain\\|close\\|1\\|\\|$',
    },
  ])('$name', async ({ spec, says }) => {
    await using server = await listen(createHttpServer(echo))
    expect(await probe(http({ ...spec, body: says }), server.port)).toMatchObject({ healthy: true })
  })

  test('with HEAD, for the status alone', async () => {
    const seen: (string | undefined)[] = []
    const serve: RequestListener = (request, response) => {
      seen.push(request.method)
      response.writeHead(200, { 'Content-Length': 9 }).end()
    }
    await using server = await listen(createHttpServer(serve))
    expect(await probe(http({ method: 'HEAD' }), server.port)).toMatchObject({ healthy: true, detail: 'status 200' })
    expect(seen).toEqual(['HEAD'])
  })
})

describe('check http follows redirects when it is told to', () => {
  const certificate = makeCertificate()
  const to =
    (location: (path: string) => string | undefined): RequestListener =>
    (request, response) => {
      const next = location(request.url ?? '')
      if (next === undefined) response.end(`${request.headers.host} ${request.url}`)
      else response.writeHead(302, { Location: next }).end()
    }

  test.each<{
    name: string
    spec: Partial<HttpCheckSpec>
    location: (path: string) => string | undefined
    healthy: boolean
    detail: string
  }>([
    {
      name: 'as often as that',
      spec: { redirects: 2, body: '/2$' },
      location: (path) => ({ '/healthz': '/1', '/1': '2' })[path],
      healthy: true,
      detail: 'matches',
    },
    {
      name: 'not more often',
      spec: { redirects: 2 },
      location: () => '/again',
      healthy: false,
      detail: 'status 302',
    },
    {
      name: 'to another host, which is still this server',
      spec: { redirects: 1, host: 'shop', body: '^www.shop /a\\?b$' },
      location: (path) => (path === '/healthz' ? 'http://www.shop/a?b' : undefined),
      healthy: true,
      detail: 'matches',
    },
    {
      name: 'not to where no HTTP is',
      spec: { redirects: 1 },
      location: () => 'ftp://www.shop/',
      healthy: false,
      detail: 'redirects to nowhere',
    },
    {
      name: 'not to what is no place',
      spec: { redirects: 1 },
      location: () => 'http://[',
      healthy: false,
      detail: 'redirects to nowhere',
    },
  ])('$name', async ({ spec, location, healthy, detail }) => {
    await using server = await listen(createHttpServer(to(location)))
    const result = await probe(http(spec), server.port)
    expect(result).toMatchObject({ healthy, detail: expect.stringContaining(detail) as string })
    await expect.poll(() => server.open()).toBe(0)
  })

  test('from plain to TLS, at the port that is said', async () => {
    await using secure = await listen(createHttpsServer(certificate, (_request, response) => void response.end('safe')))
    await using server = await listen(createHttpServer(to(() => `https://www.shop:${secure.port}/`)))
    expect((await probe(http({ redirects: 1, body: '^safe$' }), server.port)).healthy).toBe(true)
    await expect.poll(() => secure.open() + server.open()).toBe(0)
  })
})

standsMisbehaviour(http({ redirects: 3 }), { slowly: 'HTTP/1.1 200 OK\r\n\r\n' })
