/** What the application engine has in common with the packet planes, shown on HTTP. */
import { execFile } from 'node:child_process'
import { promisify } from 'node:util'
import { describe, expect, test } from 'vitest'
import { eventually, readText, readToEnd } from '../../../labs/net/loopback.ts'
import { alerts, encodeFatalAlert } from '../../wire/tls-client-hello.ts'
import { addServer, addService, aServer, aService, within } from '../engine.contract.ts'
import { openContentWorld, sayName } from './content-world.contract.ts'

const host = 'Host: a\r\n'
const curl = async (...options: string[]): Promise<string> =>
  (await promisify(execFile)('curl', ['-sS', '-m', '10', ...options])).stdout

describe('services that are read', () => {
  test('the PROXY header comes first, on a connection for each request', async () => {
    await using world = await openContentWorld(undefined, {}, { proxyProtocol: 'v1' })
    const heard: string[] = []
    const server = await world.net.tcpServer((socket) => {
      let text = ''
      socket.on('data', (data) => {
        text += data.toString()
        if (!text.endsWith('\r\n\r\n')) return
        heard.push(text)
        socket.write('HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok')
      })
    })
    await world.into(undefined, [server])
    expect(await curl('--interface', '127.0.0.5', world.url, `${world.url}/2`)).toBe('okok')
    expect(heard.length).toBe(2)
    for (const text of heard)
      expect(text).toMatch(
        new RegExp(`^PROXY TCP4 127\\.0\\.0\\.5 127\\.0\\.0\\.1 \\d+ ${world.id.port}\\r\\nGET /`, 'u'),
      )
  })

  test('IPv6 services reach IPv4 servers, and say the client’s address', async () => {
    await using world = await openContentWorld()
    const server = await world.server('A')
    const place = await world.net.freePlace('::1')
    const id = { kind: 'address', protocol: 'tcp', ...place } as const
    const application = { kind: 'http', rules: [], forwarded: ['x-forwarded', 'forwarded'] } as const
    await world.apply(addService(aService(id, { application })), addServer(id, aServer(server.port)))
    expect(await curl(`http://[::1]:${place.port}/x`)).toBe('A GET /x')
    expect(server.seen[0]?.rawHeaders).toContain('for="[::1]";proto=http')
  })

  test('with expire_nodest_conn a request ends with its server, without it finishes', async () => {
    await using world = await openContentWorld()
    const answers: (() => void)[] = []
    const server = await world.server('A', (_, response) => answers.push(() => void response.end('done')))
    await world.into(undefined, [server])
    const remove = { kind: 'server.remove', id: world.id, server } as const
    const finishing = curl(world.url)
    await eventually('it runs', () => answers.length === 1)
    await world.apply(remove)
    answers[0]?.()
    expect(await finishing).toBe('done')

    await world.into(undefined, [server])
    const ending = curl(world.url).catch((error: unknown) => String(error))
    await eventually('it runs', () => answers.length === 2)
    await world.apply({ kind: 'settings', settings: { sysctls: { expire_nodest_conn: 1 } } }, remove)
    expect(await ending).toContain('curl: (52)')
    expect(await world.connections()).toEqual([])
  })

  test('a service’s own idle time holds for an answer that does not come and for a tunnel', async () => {
    await using world = await openContentWorld(undefined, {}, { idleTimeoutSeconds: 1 })
    const server = await world.server('A', () => undefined)
    server.http.on('upgrade', (_, socket) => {
      socket.on('error', () => undefined).resume()
      socket.write('HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n')
    })
    await world.into(undefined, [server])
    const tunnel = await world.net.dial(world.id)
    tunnel.write(`GET / HTTP/1.1\r\n${host}Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Key: k\r\n\r\n`)
    expect(await readText(tunnel)).toContain('101')
    const [status] = await Promise.all([curl('-w', '%{http_code}', '-o', '/dev/null', world.url), readToEnd(tunnel)])
    expect(status).toBe('504')
    await eventually('nothing stays', async () => (await world.connections()).length === 0)
  })

  test('counters are zeroed of one service, and rates rise with requests', async () => {
    await using world = await openContentWorld()
    const server = await world.server('A', sayName('A'))
    await world.into(undefined, [server])
    for (let times = 0; times < 5; times++) await curl(world.url)
    expect(await world.snapshot(server)).toMatchObject({ counters: { connections: 5 } })
    await eventually('rates rise', async () => ((await world.snapshot(server))?.rates.bytesOut ?? 0) > 0)
    await world.engine.zero(world.id, within())
    expect(await world.snapshot(server)).toMatchObject({ counters: { connections: 0, bytesIn: 0, bytesOut: 0 } })
  })

  test('a service becomes another kind under way: who is there goes on, who comes meets the new kind', async () => {
    await using world = await openContentWorld()
    await world.into(undefined, [await world.server('A')])
    const kept = await world.net.dial(world.id)
    kept.write(`GET /1 HTTP/1.1\r\n${host}\r\n`)
    expect(await readText(kept)).toContain('A GET /1')
    await world.serve({ kind: 'sni', rules: [] })
    kept.write(`GET /2 HTTP/1.1\r\n${host}\r\n`)
    expect(await readText(kept)).toContain('A GET /2')
    const { text } = await world.raw(`GET /3 HTTP/1.1\r\n${host}\r\n`, 2000)
    expect(text).toBe(String.fromCharCode(...encodeFatalAlert(alerts.decodeError)))
  })
})
