/** Check `grpc`: grpc.health.v1.Health/Check says SERVING (the protocol of grpc/grpc: doc/health-checking.md). */
import { type ClientHttp2Session, connect, type IncomingHttpHeaders } from 'node:http2'
import { connect as connectTcp, type Socket } from 'node:net'
import { connect as connectTls } from 'node:tls'
import { type Endpoint, formatEndpoint } from '../../lvs/service.ts'
import type { GrpcCheckSpec, Probe } from '../check.ts'
import { down, failed, probing, shown, tlsOptions, up, type Verdict } from './verdict.ts'

/** An answer is a few bytes; more is none. */
const maxAnswerBytes = 1024

/** enum ServingStatus of health.proto. */
const states = ['UNKNOWN', 'SERVING', 'NOT_SERVING', 'SERVICE_UNKNOWN']

export function grpcProbe(spec: GrpcCheckSpec): Probe {
  const message = requestMessage(spec.service ?? '')
  return (target, { signal }) => {
    const where = formatEndpoint(target)
    return probing(
      signal,
      () => down(`no answer from ${where} in time`),
      (end) => {
        // Of a stream that was cancelled because its connection could not be made, the connection says why.
        const fail = (error: Error): void => end(failed(where, error.cause ?? error))
        const { session, socket } = openSession(spec, target)
        session.on('error', fail)
        session.once('goaway', () => end(down(`${where} ends the connection`)))
        session.once('close', () => end(down(`${where} closed the connection`)))
        const stream = session.request({
          ':method': 'POST',
          ':path': '/grpc.health.v1.Health/Check',
          'content-type': 'application/grpc',
          te: 'trailers',
          'user-agent': 'baton-check',
        })
        let answer: Buffer = Buffer.alloc(0)
        let status: string | undefined
        let said: string | undefined
        let http: number | undefined
        const read = (headers: IncomingHttpHeaders): void => {
          status = textOf(headers['grpc-status']) ?? status
          said = textOf(headers['grpc-message']) ?? said
        }
        stream.on('response', (headers) => {
          http = headers[':status']
          read(headers)
        })
        stream.on('trailers', read)
        stream.on('data', (chunk: Buffer) => {
          answer = Buffer.concat([answer, chunk])
          if (answer.length > maxAnswerBytes) end(down(`${where} answers too much`))
        })
        stream.on('error', fail)
        stream.once('end', () => end(verdictOn(http, status, said, answer)))
        stream.end(message)
        return () => {
          session.destroy()
          // A session that has not begun leaves it to itself.
          socket.destroy()
        }
      },
    )
  }
}

function openSession(
  { tls, authority }: GrpcCheckSpec,
  target: Endpoint,
): { session: ClientHttp2Session; socket: Socket } {
  const at = { host: target.address, port: target.port }
  const name = authority ?? formatEndpoint(target)
  const options = tls && tlsOptions(tls, authority?.replace(/:\d+$/, ''))
  const socket = options === undefined ? connectTcp(at) : connectTls({ ...at, ALPNProtocols: ['h2'], ...options })
  const session = connect(`${tls === undefined ? 'http' : 'https'}://${name}`, { createConnection: () => socket })
  return { session, socket }
}

function textOf(header: string | string[] | undefined): string | undefined {
  return Array.isArray(header) ? header[0] : header
}

function verdictOn(
  http: number | undefined,
  status: string | undefined,
  said: string | undefined,
  answer: Buffer,
): Verdict {
  if (http !== 200) return down(`status ${http}`)
  if (status !== undefined && status !== '0')
    return down(`gRPC status ${shown(status)}${said === undefined ? '' : `: ${shown(said)}`}`)
  const state = servingStatus(answer)
  if (state === undefined) return down('the answer is no health of gRPC')
  return state === 1 ? up('SERVING') : down(states[state] ?? `state ${state}`)
}

/** Length-prefixed message (PROTOCOL-HTTP2.md) with HealthCheckRequest: `string service = 1`. */
function requestMessage(service: string): Buffer {
  const name = Buffer.from(service)
  const body = name.length === 0 ? name : Buffer.concat([Buffer.from([0x0a]), varint(name.length), name])
  const prefix = Buffer.alloc(5)
  prefix.writeUInt32BE(body.length, 1)
  return Buffer.concat([prefix, body])
}

function varint(value: number): Buffer {
  const bytes: number[] = []
  let rest = value
  for (; rest > 127; rest = Math.floor(rest / 128)) bytes.push((rest % 128) | 0x80)
  return Buffer.from([...bytes, rest])
}

/** HealthCheckResponse: `ServingStatus status = 1`; left out it is 0. undefined: no such message. */
function servingStatus(answer: Buffer): number | undefined {
  if (answer.length < 5 || answer[0] !== 0) return undefined
  const body = answer.subarray(5)
  if (body.length !== answer.readUInt32BE(1)) return undefined
  if (body.length === 0) return 0
  const [tag, value] = body
  return tag === 0x08 && body.length === 2 && value !== undefined && value < 128 ? value : undefined
}
