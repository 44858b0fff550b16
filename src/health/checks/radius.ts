/** Check `radius`: an Access-Request is answered, with a right authenticator (RFC 2865, RFC 3579 §3.2). */
import { createHash, createHmac, randomBytes, timingSafeEqual } from 'node:crypto'
import { formatEndpoint } from '../../lvs/service.ts'
import type { Probe, RadiusCheckSpec } from '../check.ts'
import { datagrams } from './udp.ts'
import { down, failed, probing, up, type Verdict } from './verdict.ts'

const codes = { request: 1, accept: 2, reject: 3, challenge: 11 } as const
const attributes = { name: 1, password: 2, identifier: 32, messageAuthenticator: 80 } as const
const headerBytes = 20

export function radiusProbe(spec: RadiusCheckSpec): Probe {
  return (target, { signal, from }) => {
    const where = formatEndpoint(target)
    return probing(
      signal,
      () => down(`${where}: no answer in time (a server does not answer clients that it does not know)`),
      (end) => {
        const [id = 0] = randomBytes(1)
        const authenticator = randomBytes(16)
        const request = accessRequest(spec, id, authenticator)
        const exchange = datagrams(target, from, {
          onReady: (send) => send(request),
          onMessage: (message) => {
            const verdict = judged(spec, message, id, authenticator)
            if (verdict !== undefined) end({ ...verdict, detail: `${where}: ${verdict.detail}` })
          },
          onError: (error) => end(failed(where, error)),
        })
        return exchange.close
      },
    )
  }
}

/** undefined for an answer to something else. */
function judged(spec: RadiusCheckSpec, message: Buffer, id: number, authenticator: Buffer): Verdict | undefined {
  if (message.length < headerBytes || message.length > 4096) return down('the answer is none of RADIUS')
  const length = message.readUInt16BE(2)
  if (length < headerBytes || length > message.length) return down('the answer is none of RADIUS')
  if (message[1] !== id) return undefined
  const answer = message.subarray(0, length)
  const sum = createHash('md5')
    .update(answer.subarray(0, 4))
    .update(authenticator)
    .update(answer.subarray(headerBytes))
    .update(spec.secret)
    .digest()
  if (!timingSafeEqual(sum, answer.subarray(4, headerBytes))) return down('the answer was made with another secret')
  const said = (['accept', 'reject', 'challenge'] as const).find((name) => codes[name] === answer[0])
  if (said === undefined) return down(`the answer has code ${answer[0]}`)
  return spec.accept.includes(said) ? up(`the answer is ${said}`) : down(`the answer is ${said}`)
}

function accessRequest({ login, secret }: RadiusCheckSpec, id: number, authenticator: Buffer): Buffer {
  const body = Buffer.concat([
    // First, so that it is looked at before anything else is (RFC 3579 §3.2; CVE-2024-3596).
    attribute(attributes.messageAuthenticator, Buffer.alloc(16)),
    attribute(attributes.name, Buffer.from(login.user)),
    attribute(attributes.password, hidden(login.password, secret, authenticator)),
    attribute(attributes.identifier, Buffer.from('baton')),
  ])
  const head = Buffer.alloc(4)
  head.writeUInt8(codes.request, 0)
  head.writeUInt8(id, 1)
  head.writeUInt16BE(headerBytes + body.length, 2)
  const packet = Buffer.concat([head, authenticator, body])
  createHmac('md5', secret)
    .update(packet)
    .digest()
    .copy(packet, headerBytes + 2)
  return packet
}

/** @throws RangeError for more than an attribute holds. */
function attribute(type: number, value: Buffer): Buffer {
  if (value.length > 253) throw new RangeError('a name or password is longer than RADIUS carries')
  return Buffer.concat([Buffer.of(type, value.length + 2), value])
}

/** RFC 2865 §5.2: blocks of 16, each hidden by a sum over the one before. */
function hidden(password: string, secret: string, authenticator: Buffer): Buffer {
  const bytes = Buffer.from(password)
  const padded = Buffer.alloc(Math.max(16, Math.ceil(bytes.length / 16) * 16))
  bytes.copy(padded)
  let last = authenticator
  for (let at = 0; at < padded.length; at += 16) {
    const mask = createHash('md5').update(secret).update(last).digest()
    for (let byte = 0; byte < 16; byte++)
      padded.writeUInt8(padded.readUInt8(at + byte) ^ mask.readUInt8(byte), at + byte)
    last = padded.subarray(at, at + 16)
  }
  return padded
}
