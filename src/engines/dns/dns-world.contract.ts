/** What tests of the responder share: zones without sockets, and questions built by hand. */
import { createSocket } from 'node:dgram'
import { once } from 'node:events'
import { createServer } from 'node:net'
import { type RealServer, type Service, serviceKey } from '../../lvs/service.ts'
import { rcodes } from './codec.ts'
import { Names } from './names.ts'
import { RateLimit } from './rate-limit.ts'
import { type Responder, serveTcp, serveUdp } from './serve.ts'
import { type DnsServiceId, Zone } from './zone.ts'

export function buildServer(address: string, over: Partial<RealServer> = {}): RealServer {
  return { address, port: 80, forwarding: 'masq', weight: 1, upperThreshold: 0, lowerThreshold: 0, ...over }
}

export function buildZone(name: string, servers: readonly RealServer[], over: Partial<Service> = {}): Zone {
  const id: DnsServiceId = { kind: 'dns', name, address: '192.0.2.53', port: 53 }
  const zone = new Zone(id, { id, scheduler: 'rr', schedulerFlags: [], onePacket: false, ...over })
  // The scheduler's list begins with the newest: so it is the order in which they are written here.
  for (const server of [...servers].reverse()) zone.putServer(server)
  return zone
}

export function buildResponder(zones: readonly Zone[], answersPerSecond = 1000): Responder {
  const names = new Names()
  for (const zone of zones) names.add(zone)
  if (names.size !== zones.length) throw new Error(`twice: ${zones.map(({ id }) => serviceKey(id)).join()}`)
  return { names, rateLimit: new RateLimit(answersPerSecond, 42) }
}

export type Asked = {
  readonly name: string
  readonly type?: number
  readonly class?: number
  readonly id?: number
  /** The second 16 bits of the header: RD alone. */
  readonly flags?: number
  /** An OPT record of this size; `options` are bytes. */
  readonly edns?: {
    readonly payload?: number
    readonly version?: number
    readonly flags?: number
    readonly options?: Buffer
  }
}

/** A question as bytes, made without the codec that is under test. */
export function buildQuery({ name, type = 1, class: klass = 1, id = 0x1234, flags = 0x0100, edns }: Asked): Buffer {
  const labels = name === '' ? [] : name.split('.')
  const qname = Buffer.concat([
    ...labels.map((label) => Buffer.from([label.length, ...Buffer.from(label)])),
    Buffer.from([0]),
  ])
  const header = words(id, flags, 1, 0, 0, edns === undefined ? 0 : 1)
  const question = Buffer.concat([qname, words(type, klass)])
  if (edns === undefined) return Buffer.concat([header, question])
  const { payload = 1232, version = 0, flags: ednsFlags = 0, options = Buffer.alloc(0) } = edns
  const opt = [
    Buffer.from([0]),
    words(41, payload),
    Buffer.from([0, version]),
    words(ednsFlags, options.length),
    options,
  ]
  return Buffer.concat([header, question, ...opt])
}

export function words(...values: readonly number[]): Buffer {
  const bytes = Buffer.alloc(values.length * 2)
  for (const [at, value] of values.entries()) bytes.writeUInt16BE(value, 2 * at)
  return bytes
}

/** A client subnet as an option. */
export function subnetOption(family: number, prefix: number, address: readonly number[], scope = 0): Buffer {
  return Buffer.concat([words(8, 4 + address.length, family), Buffer.from([prefix, scope, ...address])])
}

export type Seen = {
  readonly id: number
  readonly rcode: string
  /** aa tc rd ra cd */
  readonly flags: string
  /** `NAME TYPE DATA`, by section. */
  readonly answers: readonly string[]
  readonly authorities: readonly string[]
  readonly additionals: readonly string[]
  readonly ttls: readonly number[]
  readonly edns?: {
    readonly payload: number
    readonly extended: number
    readonly flags: number
    readonly options: Buffer
  }
  readonly question: Buffer
}

/** Reads an answer by RFC 1035 and nothing else, and fails on every byte that is too many or too few. */
export function readAnswer(message: Buffer): Seen {
  const flags = message.readUInt16BE(2)
  if ((flags & 0x8000) === 0) throw new Error('no response')
  let at = 12
  const name = (): string => {
    const [text, next] = readName(message, at)
    at = next
    return text
  }
  if (message.readUInt16BE(4) === 1) {
    name()
    at += 4
  }
  const question = message.subarray(12, at)
  const ttls: number[] = []
  let edns: Seen['edns']
  const section = (count: number): string[] => {
    const lines: string[] = []
    for (let index = 0; index < count; index++) {
      const owner = name()
      const [type, klass, ttl, length] = [at, at + 2, at + 4, at + 8].map((place, k) =>
        k === 2 ? message.readUInt32BE(place) : message.readUInt16BE(place),
      )
      at += 10 + (length ?? 0)
      if (at > message.length) throw new Error('a record ends beyond the message')
      const data = message.subarray(at - (length ?? 0), at)
      if (type === 41)
        edns = { payload: klass ?? 0, extended: (ttl ?? 0) >>> 24, flags: (ttl ?? 0) & 0xffff, options: data }
      else {
        ttls.push(ttl ?? 0)
        lines.push(`${owner} ${describe(type ?? 0, message, at - data.length, data)}`)
      }
    }
    return lines
  }
  const [answers, authorities, additionals] = [6, 8, 10].map((place) => section(message.readUInt16BE(place)))
  if (at !== message.length) throw new Error(`${message.length - at} bytes too many`)
  const code = (flags & 15) | ((edns?.extended ?? 0) << 4)
  const bits = { aa: 0x0400, tc: 0x0200, rd: 0x0100, ra: 0x0080, z: 0x0040, ad: 0x0020, cd: 0x0010 }
  return {
    id: message.readUInt16BE(0),
    rcode: Object.entries(rcodes).find(([, value]) => value === code)?.[0] ?? String(code),
    flags: Object.entries(bits)
      .flatMap(([bit, mask]) => ((flags & mask) === 0 ? [] : [bit]))
      .join(' '),
    answers: answers ?? [],
    authorities: authorities ?? [],
    additionals: additionals ?? [],
    ttls,
    ...(edns === undefined ? {} : { edns }),
    question,
  }
}

function describe(type: number, message: Buffer, at: number, data: Buffer): string {
  const [first = 0, second = 0, third = 0] =
    data.length >= 6 ? [data.readUInt16BE(0), data.readUInt16BE(2), data.readUInt16BE(4)] : []
  const groups = Array.from({ length: data.length >> 1 }, (_, index) => data.readUInt16BE(2 * index).toString(16))
  switch (type) {
    case 1:
      return `A ${[...data].join('.')}`
    case 28:
      return `AAAA ${groups.join(':')}`
    case 33:
      return `SRV ${first} ${second} ${third} ${readName(message, at + 6)[0]}`
    case 2:
      return `NS ${readName(message, at)[0]}`
    case 6: {
      const [primary, next] = readName(message, at)
      const [, rest] = readName(message, next)
      return `SOA ${primary} minimum ${message.readUInt32BE(rest + 16)}`
    }
    case 13:
      return `HINFO ${data.subarray(1, 1 + (data[0] ?? 0)).toString()}`
    default:
      return `TYPE${type}`
  }
}

function readName(message: Buffer, start: number): [string, number] {
  const labels: string[] = []
  let at = start
  let end: number | undefined
  for (let steps = 0; steps < 200; steps++) {
    const length = message[at]
    if (length === undefined) throw new Error('a name ends beyond the message')
    if (length >= 0xc0) {
      end ??= at + 2
      const target = message.readUInt16BE(at) & 0x3fff
      if (target >= at) throw new Error('a pointer that does not point back')
      at = target
    } else if (length === 0) return [labels.join('.'), end ?? at + 1]
    else {
      labels.push(message.subarray(at + 1, at + 1 + length).toString('latin1'))
      at += 1 + length
    }
  }
  throw new Error('a name without end')
}

export const client = { address: '198.51.100.7', port: 40_000 }

/** Asks as a client over the network, and reads the answer. */
export function ask(responder: Responder, asked: Asked, { from = client, tcp = false, atMs = 1000 } = {}): Seen {
  const serve = tcp ? serveTcp : serveUdp
  const answer = serve(responder, buildQuery(asked), from, atMs)
  if (answer === undefined) throw new Error('no answer')
  return readAnswer(answer)
}

/** The addresses of an answer in their order. */
export const addresses = ({ answers }: Seen): string => answers.map((answer) => answer.replace(/^.* A+ /, '')).join(' ')

/** A port that nobody has, on all addresses, over UDP and TCP; outside the range from which clients get theirs. */
export async function freePort(): Promise<number> {
  for (let tries = 0; tries < 100; tries++) {
    const port = 10_000 + Math.floor(Math.random() * 20_000)
    const [udp, tcp] = [createSocket('udp4'), createServer()]
    const free = Promise.all([once(udp, 'listening'), once(tcp, 'listening')]).then(
      () => true,
      () => false,
    )
    udp.bind(port)
    tcp.listen(port, '0.0.0.0')
    const isFree = await free
    udp.close()
    if (tcp.listening) await new Promise((resolve) => tcp.close(resolve))
    if (isFree) return port
  }
  throw new Error('no free port')
}
