import { createServer as createHttpServer, type IncomingMessage, type RequestListener } from 'node:http'
import { createServer as createHttpsServer } from 'node:https'
import { connect } from 'node:net'
import type { Duplex } from 'node:stream'
import { describe, expect, test } from 'vitest'
import { listen, makeCertificate, probe, type Running } from '../../../test/build/servers.ts'
import type { HttpProxyCheckSpec } from '../check.ts'
import { standsMisbehaviour } from './misbehaviour.contract.ts'

const through = (url: string, changes: Partial<HttpProxyCheckSpec> = {}): HttpProxyCheckSpec => ({
  kind: 'http-proxy',
  url,
  status: [200],
  ...changes,
})

const certificate = makeCertificate()

type Tunnels = (authority: string | undefined, socket: Duplex) => void

/** A proxy: what it says to whole URLs, and where its tunnels lead. */
function proxy(serve: RequestListener, tunnels: Tunnels = (_, socket) => socket.destroy()): Promise<Running> {
  const server = createHttpServer(serve)
  server.on('connect', (request: IncomingMessage, socket: Duplex) => {
    // Servers of HTTP leave a connection half open.
    socket
      .on('error', () => {})
      .on('end', () => socket.destroy())
      .resume()
    tunnels(request.url, socket)
  })
  return listen(server)
}

/** Every tunnel leads to this port. */
const tunnelTo =
  (port: number): Tunnels =>
  (_authority, socket) => {
    const onward = connect(port, '127.0.0.1', () => {
      socket.write('HTTP/1.1 200 Connection established\r\n\r\n')
      onward.pipe(socket).pipe(onward)
    })
    onward.on('error', () => {}).on('close', () => socket.destroy())
    socket.on('error', () => onward.destroy()).on('close', () => onward.destroy())
  }

describe('check http-proxy', () => {
  test.each<{ name: string; spec: HttpProxyCheckSpec; serve: RequestListener; healthy: boolean; detail: string }>([
    {
      name: 'the proxy is asked for a whole URL',
      spec: through('http://www.shop/a?b', { body: '^http://www.shop/a\\?b www.shop$' }),
      serve: (request, response) => void response.end(`${request.url} ${request.headers.host}`),
      healthy: true,
      detail: 'matches',
    },
    {
      name: 'another status',
      spec: through('http://www.shop/'),
      serve: (_request, response) => void response.writeHead(502).end(),
      healthy: false,
      detail: 'status 502',
    },
    {
      name: 'redirects are asked of the proxy, too',
      spec: through('http://www.shop/', { redirects: 1, body: '^http://b.shop/x$' }),
      serve: (request, response) => {
        if (request.url === 'http://www.shop/') response.writeHead(301, { Location: 'http://b.shop/x' }).end()
        else response.end(request.url)
      },
      healthy: true,
      detail: 'matches',
    },
    {
      name: 'redirects are not followed by themselves',
      spec: through('http://www.shop/'),
      serve: (_request, response) => void response.writeHead(301, { Location: 'http://b.shop/x' }).end(),
      healthy: false,
      detail: 'status 301',
    },
  ])('$name', async ({ spec, serve, healthy, detail }) => {
    await using server = await proxy(serve)
    const result = await probe(spec, server.port)
    expect(result).toMatchObject({ healthy, detail: expect.stringContaining(detail) as string })
    await expect.poll(() => server.open()).toBe(0)
  })

  test('an https URL goes through a tunnel, under its name', async () => {
    const names: (string | undefined)[] = []
    await using origin = await listen(
      createHttpsServer(
        certificate,
        (request, response) => void response.end(`${request.url} ${request.headers.host}`),
      ),
    )
    const lead = tunnelTo(origin.port)
    await using server = await proxy(
      () => {},
      (authority, socket) => {
        names.push(authority)
        lead(authority, socket)
      },
    )
    const spec = through('https://www.shop/a', { body: '^/a www.shop$' })
    expect(await probe(spec, server.port, '127.0.0.1', 1000)).toMatchObject({ healthy: true })
    expect(names).toEqual(['www.shop:443'])
    const verified = { ...spec, tls: { verify: true } }
    expect(await probe(verified, server.port, '127.0.0.1', 1000)).toMatchObject({ healthy: false })
    await expect.poll(() => [server.open(), origin.open()]).toEqual([0, 0])
  })

  test.each<{ name: string; tunnels: Tunnels; detail: string }>([
    {
      name: 'refused',
      tunnels: (_, socket) => void socket.end('HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n'),
      detail: 'status 403 to CONNECT',
    },
    { name: 'never made', tunnels: () => {}, detail: 'no tunnel' },
    {
      name: 'a tunnel to nobody',
      tunnels: (_, socket) => void socket.write('HTTP/1.1 200 OK\r\n\r\n'),
      detail: 'in time',
    },
    { name: 'reset', tunnels: (_, socket) => void socket.destroy(), detail: '127.0.0.1' },
    {
      name: 'a tunnel that breaks',
      tunnels: (_, socket) => {
        socket.write('HTTP/1.1 200 OK\r\n\r\n')
        socket.once('data', () => socket.destroy())
      },
      detail: '127.0.0.1',
    },
  ])('a tunnel that is $name is down', async ({ tunnels, detail }) => {
    await using server = await proxy(() => {}, tunnels)
    const result = await probe(through('https://www.shop/'), server.port)
    expect(result).toMatchObject({ healthy: false, detail: expect.stringContaining(detail) as string })
    await expect.poll(() => server.open()).toBe(0)
  })
})

standsMisbehaviour(through('http://www.shop/'), { slowly: 'HTTP/1.1 200 OK\r\n\r\n' })
standsMisbehaviour(through('https://www.shop/'))
