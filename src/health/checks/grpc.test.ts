import {
  createSecureServer,
  createServer,
  type Http2Server,
  type ServerHttp2Session,
  type ServerHttp2Stream,
} from 'node:http2'
import type { Server } from 'node:net'
import { describe, expect, test } from 'vitest'
import { listen, makeCertificate, probe } from '../../../test/build/servers.ts'
import type { GrpcCheckSpec } from '../check.ts'
import { standsMisbehaviour } from './misbehaviour.contract.ts'

const grpc = (changes: Partial<GrpcCheckSpec> = {}): GrpcCheckSpec => ({ kind: 'grpc', ...changes })

const message = (body: string): Buffer => {
  const bytes = Buffer.from(body, 'hex')
  const prefix = Buffer.alloc(5)
  prefix.writeUInt32BE(bytes.length, 1)
  return Buffer.concat([prefix, bytes])
}

type Answer = (stream: ServerHttp2Stream, asked: Buffer, path: string) => void

const says =
  (body: Buffer, trailers: Record<string, string> = { 'grpc-status': '0' }): Answer =>
  (stream) => {
    stream.respond({ ':status': 200, 'content-type': 'application/grpc' }, { waitForTrailers: true })
    stream.on('wantTrailers', () => stream.sendTrailers(trailers))
    stream.end(body)
  }

function serving(server: Http2Server, answer: Answer): Server {
  server.on('session', (session: ServerHttp2Session) => session.on('error', () => {}))
  server.on('stream', (stream, headers) => {
    const asked: Buffer[] = []
    stream.on('error', () => {})
    stream.on('data', (chunk: Buffer) => asked.push(chunk))
    stream.on('end', () => answer(stream, Buffer.concat(asked), String(headers[':path'])))
  })
  return server
}

describe('check grpc', () => {
  test.each<{ name: string; answer: Answer; healthy: boolean; detail: string }>([
    { name: 'SERVING', answer: says(message('0801')), healthy: true, detail: 'SERVING' },
    { name: 'NOT_SERVING', answer: says(message('0802')), healthy: false, detail: 'NOT_SERVING' },
    { name: 'nothing said of the state', answer: says(message('')), healthy: false, detail: 'UNKNOWN' },
    { name: 'SERVICE_UNKNOWN', answer: says(message('0803')), healthy: false, detail: 'SERVICE_UNKNOWN' },
    { name: 'a state to come', answer: says(message('0809')), healthy: false, detail: 'state 9' },
    {
      name: 'an error, without a message before',
      answer: (stream) =>
        stream.respond({ ':status': 200, 'grpc-status': '5', 'grpc-message': 'unknown' }, { endStream: true }),
      healthy: false,
      detail: 'gRPC status 5: unknown',
    },
    {
      name: 'an error after the message',
      answer: says(message('0801'), { 'grpc-status': '14' }),
      healthy: false,
      detail: 'gRPC status 14',
    },
    {
      name: 'no gRPC behind it',
      answer: (stream) => stream.respond({ ':status': 404 }, { endStream: true }),
      healthy: false,
      detail: 'status 404',
    },
    { name: 'a broken message', answer: says(Buffer.from('0801', 'hex')), healthy: false, detail: 'no health' },
    { name: 'too much', answer: says(Buffer.alloc(5000)), healthy: false, detail: 'too much' },
    { name: 'silence', answer: () => {}, healthy: false, detail: 'in time' },
    {
      name: 'a beginning that stops',
      answer: (stream) => {
        stream.respond({ ':status': 200 })
        stream.write('x')
      },
      healthy: false,
      detail: 'in time',
    },
    { name: 'a reset stream', answer: (stream) => stream.close(2), healthy: false, detail: 'ERR_HTTP2_STREAM_ERROR' },
    {
      name: 'a connection that ends',
      answer: (stream) => stream.session?.close(),
      healthy: false,
      detail: '127.0.0.1',
    },
    {
      name: 'a connection that breaks',
      answer: (stream) => stream.session?.destroy(),
      healthy: false,
      detail: '127.0.0.1',
    },
  ])('$name', async ({ answer, healthy, detail }) => {
    await using server = await listen(serving(createServer(), answer))
    const result = await probe(grpc(), server.port)
    expect(result).toMatchObject({ healthy, detail: expect.stringContaining(detail) as string })
    await expect.poll(() => server.open()).toBe(0)
  })

  test('asks for the service by its name', async () => {
    const seen: string[] = []
    const answer: Answer = (stream, asked, path) => {
      seen.push(path, asked.toString('hex'))
      says(message('0801'))(stream, asked, path)
    }
    await using server = await listen(serving(createServer(), answer))
    await probe(grpc({ service: 'shop.Cart' }), server.port)
    await probe(grpc({ service: 'x'.repeat(200) }), server.port)
    await probe(grpc(), server.port)
    const path = '/grpc.health.v1.Health/Check'
    const name = Buffer.from('shop.Cart').toString('hex')
    const long = `00000000cb0ac801${'78'.repeat(200)}`
    expect(seen).toEqual([path, `000000000b0a09${name}`, path, long, path, '0000000000'])
  })

  test('over TLS', async () => {
    const certificate = makeCertificate()
    await using server = await listen(serving(createSecureServer(certificate), says(message('0801'))))
    const spec = grpc({ tls: { verify: false }, authority: 'www.shop' })
    expect(await probe(spec, server.port, '127.0.0.1', 1000)).toMatchObject({ healthy: true })
    const verified = grpc({ tls: { verify: true }, authority: 'www.shop' })
    expect(await probe(verified, server.port, '127.0.0.1', 1000)).toMatchObject({
      healthy: false,
      detail: expect.stringContaining('DEPTH_ZERO_SELF_SIGNED_CERT') as string,
    })
    await expect.poll(() => server.open()).toBe(0)
  })
})

standsMisbehaviour(grpc())
