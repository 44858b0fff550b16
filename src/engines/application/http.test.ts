import { execFile } from 'node:child_process'
import { createHash, randomBytes } from 'node:crypto'
import { Agent, get as httpGet, request as httpRequest, type IncomingMessage } from 'node:http'
import { promisify } from 'node:util'
import { describe, expect, test } from 'vitest'
import { eventually, readText, sleep } from '../../../labs/net/loopback.ts'
import { addServer, addService, aServer, aService } from '../engine.contract.ts'
import { type ContentWorld, openContentWorld, pathRule, sayName } from './content-world.contract.ts'

const run = promisify(execFile)
const curl = async (...options: string[]): Promise<string> =>
  (await run('curl', ['-sS', '-m', '10', ...options])).stdout
const host = 'Host: a\r\n'

async function bodyOf(incoming: IncomingMessage): Promise<Buffer> {
  const chunks: Buffer[] = []
  for await (const chunk of incoming) chunks.push(chunk as Buffer)
  return Buffer.concat(chunks)
}

async function split(world: ContentWorld) {
  const [own, api] = [await world.server('own'), await world.server('api')]
  await world.into(undefined, [own])
  await world.into('api', [api])
  await world.serve({ kind: 'http', rules: [pathRule('/api', 'api')] })
  return { own, api }
}

describe('HTTP by request', () => {
  test('curl: the requests of one kept connection go to the servers that the rules name', async () => {
    await using world = await openContentWorld()
    const { own, api } = await split(world)
    const urls = ['/x', '/api/1', '/y', '/api/2', '/apix'].flatMap((path) => [
      `${world.url}${path}`,
      '-w',
      ' %{num_connects}\n',
    ])
    const said = await curl(...urls)
    expect(said).toBe('own GET /x 1\napi GET /api/1 0\nown GET /y 0\napi GET /api/2 0\nown GET /apix 0\n')
    expect([own.connections(), api.connections()]).toEqual([1, 1])
  })

  test('python: http.client’s one connection is split as well', async () => {
    await using world = await openContentWorld()
    await split(world)
    const program = `
import http.client, sys
c = http.client.HTTPConnection('${world.id.address}', ${world.id.port}, timeout=10)
for path in ['/x', '/api/1', '/y']:
    c.request('POST' if path == '/y' else 'GET', path, body=(b'abc' if path == '/y' else None))
    sock = c.sock
    print(c.getresponse().read().decode(), sock is c.sock)
`
    const { stdout } = await run('python3', ['-c', program])
    expect(stdout).toBe('own GET /x True\napi GET /api/1 True\nown POST /y True\n')
  })

  test('requests sent ahead are answered in order, though their servers answer out of order', async () => {
    await using world = await openContentWorld()
    const [slow, fast] = [
      await world.server('slow', (request, response, seen) =>
        setTimeout(() => sayName('slow')(request, response, seen), 150),
      ),
      await world.server('fast'),
    ]
    await world.into(undefined, [fast])
    await world.into('slow', [slow])
    await world.serve({ kind: 'http', rules: [pathRule('/slow', 'slow')] })
    const sent = ['/slow', '/1', '/slow/2', '/3'].map((path) => `GET ${path} HTTP/1.1\r\n${host}\r\n`).join('')
    const { text } = await world.raw(sent, 1500)
    expect(text.match(/(?:slow|fast) GET \/[/\w]*?(?=HTTP|$)/gu)).toEqual([
      'slow GET /slow',
      'fast GET /1',
      'slow GET /slow/2',
      'fast GET /3',
    ])
  })

  test('host, header and cookie choose, and what no rule names goes to the service’s own servers', async () => {
    await using world = await openContentWorld()
    await world.into(undefined, [await world.server('own')])
    for (const name of ['host', 'header', 'cookie']) await world.into(name, [await world.server(name)])
    await world.serve({
      kind: 'http',
      rules: [
        { match: { host: '*.shop.example' }, pool: 'host' },
        { match: { header: { name: 'x-beta', value: 'yes' } }, pool: 'header' },
        { match: { cookie: { name: 'beta' } }, pool: 'cookie' },
      ],
    })
    expect(await curl(world.url, '-H', 'Host: WWW.shop.example:80')).toContain('host')
    expect(await curl(world.url, '-H', 'X-Beta: yes')).toContain('header')
    expect(await curl(world.url, '-b', 'a=1; beta=2')).toContain('cookie')
    expect(await curl(world.url)).toContain('own')
  })

  test('without servers it says 503, and so it does for a pool that is not there; the connection stays', async () => {
    await using world = await openContentWorld({ kind: 'http', rules: [pathRule('/api', 'api')] })
    const said = await curl(
      '-o',
      '/dev/null',
      '-w',
      '%{http_code} %{num_connects},',
      world.url,
      '-o',
      '/dev/null',
      `${world.url}/api`,
    )
    expect(said).toBe('503 1,503 0,')
    await world.into(undefined, [await world.server('own')], { weight: 0 })
    expect(await curl('-w', '%{http_code}', '-o', '/dev/null', world.url)).toBe('503')
  })

  test('a path that servers could read differently is refused where paths decide', async () => {
    await using world = await openContentWorld()
    const { own, api } = await split(world)
    expect(await curl('--path-as-is', '-w', '%{http_code}', '-o', '/dev/null', `${world.url}/x/..%2fapi`)).toBe('400')
    expect([...own.seen, ...api.seen]).toEqual([])
    expect(await curl('--path-as-is', `${world.url}/x/../api`)).toBe('api GET /x/../api')
  })

  test('connections to a server are kept, each request is counted, and nothing stays counted', async () => {
    await using world = await openContentWorld()
    const server = await world.server('A')
    await world.into(undefined, [server])
    for (let times = 0; times < 20; times++) await curl(world.url)
    expect(server.connections()).toBe(1)
    const snapshot = await world.snapshot(server)
    expect(snapshot).toMatchObject({ active: 0, inactive: 0, counters: { connections: 20 } })
    expect(snapshot?.counters.packetsIn).toBe(20)
    expect(snapshot?.counters.bytesOut).toBeGreaterThan(20 * 'A GET /'.length)
  })

  test('a request in flight is an active connection and is listed', async () => {
    await using world = await openContentWorld()
    const answers: (() => void)[] = []
    const server = await world.server('A', (_, response) => answers.push(() => response.end('late')))
    await world.into(undefined, [server])
    const said = curl(world.url)
    await eventually('it is there', () => answers.length === 1)
    expect(await world.snapshot(server)).toMatchObject({ active: 1 })
    expect(await world.connections()).toMatchObject([
      { protocol: 'tcp', state: 'ESTABLISHED', service: { port: world.id.port }, server: { port: server.port } },
    ])
    answers[0]?.()
    expect(await said).toBe('late')
    expect(await world.connections()).toEqual([])
  })

  test('servers take turns by weight, and one over its threshold is passed over', async () => {
    await using world = await openContentWorld(undefined, {}, { scheduler: 'wrr' })
    const waiting: (() => void)[] = []
    const slow = await world.server('slow', (_, response) => waiting.push(() => response.end('slow')))
    const fast = await world.server('fast')
    await world.into(undefined, [slow], { weight: 3, upperThreshold: 2 })
    await world.into(undefined, [fast], { weight: 1 })
    const said = Promise.all(Array.from({ length: 10 }, () => curl(world.url)))
    await eventually('the fast one has the rest', () => fast.seen.length === 8 && waiting.length === 2)
    for (const answer of waiting) answer()
    expect((await said).filter((text) => text === 'slow').length).toBe(2)
  })

  test('a client keeps to its server by persistence, whatever the scheduler says', async () => {
    const persistence = { timeoutSeconds: 60, mask: '255.255.255.255' }
    await using world = await openContentWorld(undefined, {}, { persistence })
    const servers = [await world.server('A'), await world.server('B')]
    await world.into(undefined, servers)
    const said = new Set<string>()
    for (let times = 0; times < 6; times++) said.add(await curl(world.url))
    expect(said.size).toBe(1)
    expect(await curl('--interface', '127.0.0.2', world.url)).not.toBe([...said][0])
  })

  test('a length behind very many headers is heeded, and all headers arrive', async () => {
    await using world = await openContentWorld()
    const server = await world.server('A')
    server.http.maxHeadersCount = 0
    await world.into(undefined, [server])
    const sent = `POST / HTTP/1.1\r\n${host}${'a:b\r\n'.repeat(1500)}Content-Length: 3\r\n\r\nabcGET /2 HTTP/1.1\r\n${host}\r\n`
    const { text } = await world.raw(sent)
    expect(text.match(/A \w+ \/2?/gu)).toEqual(['A POST /', 'A GET /2'])
    expect(server.seen[0]).toMatchObject({ body: 'abc' })
    expect(server.seen[0]?.rawHeaders.filter((name, at) => at % 2 === 0 && name === 'a').length).toBe(1500)
  })

  test('the server hears who asked and how', async () => {
    await using world = await openContentWorld()
    const server = await world.server('A')
    await world.into(undefined, [server])
    await curl(world.url, '-H', 'X-Forwarded-For: 192.0.2.1', '-H', 'Connection: X-Own', '-H', 'X-Own: 1')
    const raw = server.seen[0]?.rawHeaders ?? []
    const value = (name: string): string | undefined =>
      raw[raw.findIndex((text, at) => at % 2 === 0 && text === name) + 1]
    expect(value('X-Forwarded-For')).toBe('192.0.2.1, 127.0.0.1')
    expect(value('X-Forwarded-Proto')).toBe('http')
    expect(value('Via')).toBe('1.1 baton')
    expect(raw).not.toContain('X-Own')
  })
})

describe('HTTP bodies', () => {
  test('64 MiB each way at once arrive as they were sent', async () => {
    await using world = await openContentWorld()
    const back = await world.server('echo', (request, response) => request.pipe(response))
    await world.into(undefined, [back])
    const blob = randomBytes(1024 * 1024)
    const [sent, heard] = [createHash('sha256'), createHash('sha256')]
    const request = httpRequest(world.url, { method: 'POST' })
    const done = new Promise<void>((resolve, reject) => {
      request.on('error', reject).on('response', (incoming) => {
        incoming
          .on('data', (chunk: Buffer) => heard.update(chunk))
          .on('end', resolve)
          .on('error', reject)
      })
    })
    for (let times = 0; times < 64; times++) {
      sent.update(blob)
      if (!request.write(blob)) await new Promise((resolve) => request.once('drain', resolve))
    }
    request.end()
    await done
    expect(heard.digest('hex')).toBe(sent.digest('hex'))
    await eventually(
      'bytes are counted',
      async () => ((await world.snapshot(back))?.counters.bytesIn ?? 0) > 64 * 2 ** 20,
    )
  })

  test('a slow reader holds its server back', async () => {
    await using world = await openContentWorld()
    let given = 0
    const server = await world.server('A', (_, response) => {
      const blob = Buffer.alloc(64 * 1024)
      const more = (): void => {
        do given += blob.length
        while (given < 256 * 1024 * 1024 && response.write(blob))
        response.once('drain', more)
      }
      more()
    })
    await world.into(undefined, [server])
    const client = await world.net.dial(world.id)
    client.pause()
    client.write(`GET / HTTP/1.1\r\n${host}\r\n`)
    // Until it stands still.
    for (let before = -1; given !== before || before <= 0; await sleep(300)) before = given
    expect(given).toBeLessThan(64 * 1024 * 1024)
    client.destroy()
    await eventually('all is let go', async () => (await world.connections()).length === 0)
  })

  test('chunks, trailers both ways, and an answer without a body to HEAD', async () => {
    await using world = await openContentWorld()
    const trailers: unknown[] = []
    const server = await world.server('A', (request, response) => {
      request.resume().on('end', () => {
        if (request.method !== 'POST') return void response.end('said')
        trailers.push(request.rawTrailers)
        response.setHeader('Trailer', 'X-Sum')
        response.write('one')
        response.addTrailers([['X-Sum', '7']])
        response.end('two')
      })
    })
    await world.into(undefined, [server])
    const sent = `POST / HTTP/1.1\r\n${host}Transfer-Encoding: chunked\r\nTrailer: X-T\r\n\r\n3\r\nabc\r\n0\r\nX-T: 1\r\nHost: b\r\n\r\n`
    const { text } = await world.raw(sent)
    expect(trailers).toEqual([['X-T', '1']])
    expect(text).toContain('Trailer: X-Sum')
    expect(text.endsWith('0\r\nX-Sum: 7\r\n\r\n')).toBe(true)
    const head = await world.raw(`HEAD / HTTP/1.1\r\n${host}\r\nGET / HTTP/1.1\r\n${host}\r\n`)
    expect(head.text.match(/HTTP\/1\.1 200 OK/gu)?.length).toBe(2)
    expect(head.text.split('\r\n\r\n')[1]).toMatch(/^HTTP\/1\.1 200/u)
  })

  test('an HTTP/1.0 client gets no chunks and is told the end by the close', async () => {
    await using world = await openContentWorld()
    await world.into(undefined, [
      await world.server('A', (_, response) => void (response.write('one'), response.end('two'))),
    ])
    const { text, isClosed } = await world.raw('GET / HTTP/1.0\r\n\r\n', 1000)
    expect(text.split('\r\n\r\n')[1]).toBe('onetwo')
    expect(isClosed).toBe(true)
  })

  test('a head goes ahead of a body that takes its time', async () => {
    await using world = await openContentWorld()
    const server = await world.server('A', (_, response) => response.flushHeaders())
    await world.into(undefined, [server])
    const client = await world.net.dial(world.id)
    client.write(`GET / HTTP/1.1\r\n${host}\r\n`)
    expect(await readText(client)).toMatch(/^HTTP\/1\.1 200 OK/u)
    client.destroy()
  })

  test('100-continue comes from the server, and so does a refusal before the body', async () => {
    await using world = await openContentWorld()
    const server = await world.server('A')
    let asked = 0
    server.http.on('checkContinue', (request, response) => {
      asked += 1
      if (request.url === '/no') return void response.writeHead(413).end('too much')
      response.writeContinue()
      server.http.emit('request', request, response)
    })
    await world.into(undefined, [server])
    const client = await world.net.dial(world.id)
    client.write(`PUT /yes HTTP/1.1\r\n${host}Expect: 100-continue\r\nContent-Length: 3\r\n\r\n`)
    expect(await readText(client)).toBe('HTTP/1.1 100 Continue\r\n\r\n')
    client.write('abc')
    expect(await readText(client)).toMatch(/A PUT \/yes$/u)
    client.destroy()
    const { text, isClosed } = await world.raw(
      `PUT /no HTTP/1.1\r\n${host}Expect: 100-continue\r\nContent-Length: 3\r\n\r\n`,
      1000,
    )
    expect(text).toMatch(/^HTTP\/1\.1 413 /u)
    expect(isClosed).toBe(true)
    expect(asked).toBe(2)
  })

  test('an answer that comes before the request’s end is passed on, and the connection goes on', async () => {
    await using world = await openContentWorld()
    const server = await world.server('A', (request, response) => {
      response.end(`early ${request.method}`)
      request.resume()
    })
    await world.into(undefined, [server])
    const client = await world.net.dial(world.id)
    client.write(`POST / HTTP/1.1\r\n${host}Content-Length: 6\r\n\r\nabc`)
    expect(await readText(client)).toMatch(/early POST$/u)
    client.write(`defGET /next HTTP/1.1\r\n${host}\r\n`)
    expect(await readText(client)).toMatch(/early GET$/u)
    client.destroy()
  })

  test('a cut answer is cut for the client, too', async () => {
    await using world = await openContentWorld()
    const server = await world.server('A', (_, response) => {
      response.writeHead(200, { 'Content-Length': '100' })
      response.write('half')
      setTimeout(() => response.socket?.destroy(), 50)
    })
    await world.into(undefined, [server])
    await expect(curl(world.url)).rejects.toMatchObject({ code: 18 })
    await eventually('nothing stays', async () => (await world.snapshot(server))?.active === 0)
  })

  test('a client that leaves takes its request along', async () => {
    await using world = await openContentWorld()
    let isCut = false
    const server = await world.server('A', (request) => {
      request.socket.once('close', () => {
        isCut = true
      })
    })
    await world.into(undefined, [server])
    const request = httpGet(world.url).on('error', () => undefined)
    await eventually('it has reached the server', () => server.seen.length === 1)
    request.destroy()
    await eventually('the server sees it', () => isCut)
    expect(await world.snapshot(server)).toMatchObject({ active: 0 })
  })
})

describe('HTTP servers that fail', () => {
  test('one that refuses gives way, also for a POST, and the client notices nothing', async () => {
    await using world = await openContentWorld()
    const gone = await world.net.freePlace()
    const alive = await world.server('alive')
    await world.into(undefined, [alive, { ...gone }])
    for (let times = 0; times < 4; times++) expect(await curl('-d', 'abc', world.url)).toBe('alive POST /')
    expect(alive.seen.map(({ body }) => body)).toEqual(['abc', 'abc', 'abc', 'abc'])
    expect(await world.snapshot(gone)).toMatchObject({ active: 0, counters: { connections: 0 } })
    expect((await world.snapshot(gone))?.connectFailures).toBeGreaterThan(0)
  })

  test('when all refuse it is 502', async () => {
    await using world = await openContentWorld()
    await world.into(undefined, [await world.net.freePlace(), await world.net.freePlace()])
    expect(await curl('-w', '%{http_code}', '-o', '/dev/null', world.url)).toBe('502')
  })

  test('a kept connection that the server has closed is replaced for a GET, and never for a POST that may have arrived', async () => {
    await using world = await openContentWorld()
    let isBroken = false
    let times = 0
    const server = await world.server('A', (request, response) => {
      times += 1
      if (isBroken) {
        isBroken = false
        return void request.socket.destroy()
      }
      request.resume().on('end', () => response.end('fine'))
    })
    await world.into(undefined, [server])
    const agent = new Agent({ keepAlive: true })
    const ask = async (method: string): Promise<string> =>
      await new Promise((resolve, reject) => {
        const request = httpRequest(world.url, { method, agent }, (incoming) => {
          bodyOf(incoming).then((body) => resolve(`${incoming.statusCode} ${body.toString().trim()}`), reject)
        })
        request.on('error', reject).end()
      })
    expect(await ask('GET')).toBe('200 fine')
    isBroken = true
    expect(await ask('GET')).toBe('200 fine')
    expect(times).toBe(3)
    isBroken = true
    expect(await ask('POST')).toBe('502 502 Bad Gateway')
    expect(times).toBe(4)
    agent.destroy()
  })

  test.each([
    ['no HTTP', 'hello\r\n\r\n'],
    ['both lengths', 'HTTP/1.1 200 OK\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n'],
    ['two lengths', 'HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab'],
    ['a head that is too long', `HTTP/1.1 200 OK\r\nX: ${'a'.repeat(70_000)}\r\n\r\n`],
    ['a switch that nobody asked for', 'HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n'],
    ['nothing at all', ''],
  ])('a server that answers with %s is a 502', async (_, bytes) => {
    await using world = await openContentWorld()
    const bad = await world.net.tcpServer((socket) => socket.once('data', () => socket.end(bytes)))
    await world.into(undefined, [bad])
    expect(await curl('-w', '%{http_code}', '-o', '/dev/null', '-d', 'x', world.url)).toBe('502')
    expect(await world.snapshot(bad)).toMatchObject({ active: 0 })
  })

  test('a server that is silent is a 504, and the connection to it is given up', async () => {
    await using world = await openContentWorld(undefined, { answerTimeoutMs: 300 })
    let isCut = false
    const server = await world.server('A', (request) => {
      request.socket.once('close', () => {
        isCut = true
      })
    })
    await world.into(undefined, [server])
    expect(await curl('-w', '%{http_code}', '-o', '/dev/null', world.url)).toBe('504')
    await eventually('it is cut', () => isCut)
    expect(await world.snapshot(server)).toMatchObject({ active: 0 })
  })
})

describe('HTTP clients that dawdle', () => {
  test('a head that drips is ended with 408, one that does not begin is closed', async () => {
    await using world = await openContentWorld(undefined, { headTimeoutMs: 400 })
    const server = await world.server('A')
    await world.into(undefined, [server])
    const silent = world.raw('', 5000)
    const client = await world.net.dial(world.id)
    const heard: string[] = []
    client.on('data', (data) => heard.push(data.toString()))
    const dripping = setInterval(() => client.write('X'), 50)
    client.write('GET / HTTP/1.1\r\n')
    await eventually('it is closed', () => client.readableEnded)
    clearInterval(dripping)
    expect(heard.join('')).toMatch(/^HTTP\/1\.1 408 /u)
    expect(await silent).toEqual({ text: '', isClosed: true })
    expect(server.seen).toEqual([])
  })

  test('a body that stops is ended with 408, and its server sees a cut request', async () => {
    await using world = await openContentWorld(undefined, { bodyTimeoutMs: 300 })
    const server = await world.server('A')
    await world.into(undefined, [server])
    const { text, isClosed } = await world.raw(`POST / HTTP/1.1\r\n${host}Content-Length: 10\r\n\r\nabc`, 3000)
    expect(text).toMatch(/^HTTP\/1\.1 408 /u)
    expect(isClosed).toBe(true)
    await eventually('nothing stays', async () => (await world.snapshot(server))?.active === 0)
  })

  test('a connection without a request is closed after its time', async () => {
    await using world = await openContentWorld(undefined, { keepAliveMs: 300 })
    await world.into(undefined, [await world.server('A')])
    const { text, isClosed } = await world.raw(`GET / HTTP/1.1\r\n${host}\r\n`, 4000)
    expect(text).toContain('A GET /')
    expect(isClosed).toBe(true)
  })
})

describe('WebSocket', () => {
  const accept =
    'HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: x\r\n\r\n'
  const ask = (path = '/'): string =>
    `GET ${path} HTTP/1.1\r\n${host}Connection: keep-alive, Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Key: k\r\nSec-WebSocket-Version: 13\r\n\r\n`

  test('after the server’s 101 bytes go both ways, counted, until both have ended', async () => {
    await using world = await openContentWorld()
    const server = await world.server('A')
    server.http.on('upgrade', (_, socket) => {
      socket.on('error', () => undefined)
      socket.write(`${accept}hello`)
      socket.pipe(socket)
    })
    await world.into('ws', [server])
    await world.serve({ kind: 'http', rules: [pathRule('/ws', 'ws')] })
    const client = await world.net.dial(world.id)
    client.write(`${ask('/ws')}early`)
    let heard = ''
    client.on('data', (data) => {
      heard += data.toString()
    })
    await eventually('it is open', () => heard.endsWith('helloearly') || heard.endsWith('earlyhello'))
    expect(heard).toMatch(/^HTTP\/1\.1 101 Switching Protocols\r\n/u)
    client.write('x'.repeat(100_000))
    await eventually('it echoes', () => heard.endsWith('x'.repeat(100_000)))
    expect(await world.snapshot(server, 'ws')).toMatchObject({ active: 1, counters: { connections: 1 } })
    client.end()
    await eventually('it has ended', () => client.readableEnded)
    await eventually('nothing stays', async () => (await world.connections()).length === 0)
    const counters = (await world.snapshot(server, 'ws'))?.counters
    expect(Math.min(counters?.bytesIn ?? 0, counters?.bytesOut ?? 0)).toBeGreaterThan(100_000)
  })

  test('a refusal is an answer like others, and another protocol is not tunnelled', async () => {
    await using world = await openContentWorld()
    const server = await world.server('A')
    await world.into(undefined, [server])
    expect(await world.raw(ask(), 1000)).toMatchObject({ text: expect.stringContaining('A GET /'), isClosed: true })
    const other = ask('/h2c').replace('websocket', 'h2c')
    expect(await world.raw(other, 1000)).toMatchObject({ text: expect.stringContaining('A GET /h2c'), isClosed: true })
    expect(server.seen[1]?.rawHeaders).not.toContain('h2c')
  })

  test('a tunnel outlives its rules and its service', async () => {
    await using world = await openContentWorld()
    const server = await world.server('A')
    server.http.on('upgrade', (_, socket) => {
      socket.write(accept)
      socket.on('error', () => undefined).pipe(socket)
    })
    await world.into(undefined, [server])
    const client = await world.net.dial(world.id)
    client.write(ask())
    expect(await readText(client)).toContain('101')
    await world.serve({ kind: 'http', rules: [pathRule('/', 'nowhere')] })
    await world.apply({ kind: 'service.remove', id: world.id })
    client.write('still')
    expect(await readText(client)).toBe('still')
    client.destroy()
  })
})

describe('HTTP under change', () => {
  test('no request is lost while rules and servers change under it', async () => {
    await using world = await openContentWorld()
    const servers = [await world.server('A'), await world.server('B')]
    await world.into(undefined, servers)
    await world.into('p', servers)
    const agent = new Agent({ keepAlive: true, maxSockets: 8 })
    const until = { isDone: false }
    const talk = async (): Promise<number> => {
      let rounds = 0
      while (!until.isDone) {
        const said = await new Promise<string>((resolve, reject) => {
          httpGet(
            world.url,
            { agent },
            (incoming) => void bodyOf(incoming).then((body) => resolve(`${incoming.statusCode} ${body}`), reject),
          ).on('error', reject)
        })
        expect(said).toMatch(/^200 [AB] GET \/$/u)
        rounds += 1
      }
      return rounds
    }
    const talks = Array.from({ length: 8 }, talk)
    for (let times = 0; times < 20; times++) {
      const { port } = servers[times % 2] ?? { port: 0 }
      await world.serve({ kind: 'http', rules: times % 3 === 0 ? [pathRule('/', 'p')] : [] })
      await world.apply({ kind: 'server.remove', id: world.id, server: { address: '127.0.0.1', port } })
      await sleep(10)
      await world.apply(addServer(world.id, aServer(port)))
    }
    until.isDone = true
    const rounds = await Promise.all(talks)
    expect(Math.min(...rounds)).toBeGreaterThan(5)
    agent.destroy()
    await eventually('nothing stays counted', async () => (await world.connections()).length === 0)
  })

  test('a removed service finishes what runs, closes what waits, and frees its address', async () => {
    await using world = await openContentWorld()
    let answer = (): void => undefined
    const server = await world.server('A', (request, response) => {
      if (request.url === '/slow') answer = () => void response.end('at last')
      else response.end('quick')
    })
    await world.into(undefined, [server])
    const idle = await world.net.dial(world.id)
    idle.write(`GET / HTTP/1.1\r\n${host}\r\n`)
    expect(await readText(idle)).toContain('quick')
    const slow = await world.net.dial(world.id)
    slow.write(`GET /slow HTTP/1.1\r\n${host}\r\n`)
    await eventually('it runs', () => server.seen.length === 2)
    await world.apply({ kind: 'service.remove', id: world.id })
    await eventually('what waits is closed', () => idle.readableEnded)
    await expect(world.net.dial(world.id)).rejects.toMatchObject({ code: 'ECONNREFUSED' })
    await world.apply(addService(aService(world.id, { application: { kind: 'http', rules: [] } })))
    answer()
    const said = await readText(slow)
    expect(said).toContain('at last')
    expect(said).toContain('Connection: close')
    expect(await curl('-w', '%{http_code}', '-o', '/dev/null', world.url)).toBe('503')
  })

  test('neither clients nor kept connections outlive the engine', async () => {
    const server = await (async () => {
      await using world = await openContentWorld()
      const server = await world.server('A')
      await world.into(undefined, [server])
      await Promise.all(Array.from({ length: 20 }, () => curl(world.url)))
      await world.engine[Symbol.asyncDispose]()
      await eventually('its servers are let go', async () => {
        const open = await promisify(server.http.getConnections.bind(server.http))()
        return open === 0
      })
      return server
    })()
    expect(server.seen.length).toBe(20)
  })
})
