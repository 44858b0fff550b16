import { createSocket } from 'node:dgram'
import { createServer as createHttpServer } from 'node:http'
import { type AddressInfo, createServer, type Socket } from 'node:net'
import { describe, expect, test } from 'vitest'
import { listen } from '../../../test/build/servers.ts'
import type { ProbeSpec } from '../check.ts'
import { openProbe } from './registry.ts'

const signal = (): AbortSignal => AbortSignal.timeout(10_000)
const from = { address: '127.0.0.77' }
const run = (spec: ProbeSpec, port: number, source: object) =>
  openProbe(spec)({ address: '127.0.0.1', port }, { signal: signal(), from: source })

/** Free a moment ago. */
async function freePort(): Promise<number> {
  const server = createServer()
  await new Promise<void>((resolve) => server.listen(0, from.address, resolve))
  const { port } = server.address() as AddressInfo
  await new Promise((resolve) => server.close(resolve))
  return port
}

describe('a check that goes out from somewhere', () => {
  test.each<{ name: string; spec: ProbeSpec; greet?: string }>([
    { name: 'tcp', spec: { kind: 'tcp' } },
    { name: 'simpletcp', spec: { kind: 'simpletcp', expect: 'hi' }, greet: 'hi\n' },
  ])('$name comes from that address', async ({ spec, greet }) => {
    const peers: (string | undefined)[] = []
    const speak = (socket: Socket): void => {
      peers.push(socket.remoteAddress)
      socket.on('error', () => undefined)
      if (greet !== undefined) socket.write(greet)
    }
    await using server = await listen(createServer(speak))
    expect(await run(spec, server.port, from)).toMatchObject({ healthy: true })
    await expect.poll(() => peers).toEqual([from.address])
  })

  test('http, and from that port', async () => {
    await using server = await listen(
      createHttpServer((request, response) => void response.end(`${request.socket.remoteAddress} ${request.socket.remotePort}`)),
    ) // biome-ignore format: one server
    const free = await freePort()
    const spec: ProbeSpec = { kind: 'http', path: '/', status: [200], body: `^127\\.0\\.0\\.77 ${free}$` }
    expect(await run(spec, server.port, { ...from, port: free })).toMatchObject({ healthy: true })
  })

  test('udp, too', async () => {
    const server = createSocket('udp4')
    await new Promise<void>((resolve) => server.bind(0, '127.0.0.1', resolve))
    server.on('message', (_, peer) => server.send(peer.address, peer.port, peer.address))
    try {
      const spec: ProbeSpec = { kind: 'udp', expect: { pattern: '^127\\.0\\.0\\.77$' } }
      expect(await run(spec, server.address().port, from)).toMatchObject({ healthy: true })
    } finally {
      server.close()
    }
  })

  test('an address that is not here is said', async () => {
    const result = await run({ kind: 'tcp' }, 1, { address: '192.0.2.7' })
    expect(result).toMatchObject({ healthy: false, detail: expect.stringContaining('192.0.2.7') as string })
  })
})
