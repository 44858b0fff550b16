/**
 * DNS messages: bytes ⇄ values. The responder's only file that knows dns-packet; what that lacks is made good here (see
 * docs/decisions/0003-dns-codec.md). RFC 1035 §4, RFC 6891, RFC 7871.
 */
import { decode, encode, type Option, type OptRecord, type Record } from 'dns-packet'

export const types = { a: 1, ns: 2, soa: 6, hinfo: 13, aaaa: 28, srv: 33, opt: 41, ixfr: 251, axfr: 252, any: 255 }
export const classIn = 1
export const rcodes = {
  noError: 0,
  formErr: 1,
  servFail: 2,
  nxDomain: 3,
  notImp: 4,
  refused: 5,
  badVers: 16,
} as const
export type Rcode = (typeof rcodes)[keyof typeof rcodes]

/** RFC 8914 §4, Extended DNS Errors: why, in a number. */
export const ede = { other: 0, notAuthoritative: 20, notSupported: 21 } as const

export type Question = {
  /** In lower case, without the dot at the end; what is no letter, digit, - or _ is escaped, so that it is like no name of ours. */
  readonly name: string
  readonly type: number
  readonly class: number
  /** As it was asked, to the byte: clients rely on the case of its letters coming back (draft-vixie-dnsext-dns0x20). */
  readonly bytes: Buffer
}

/** EDNS Client Subnet: whom the resolver asks for. */
export type ClientSubnet = {
  /** Leftmost bits as they came, filled up with zeros: 4 or 16 bytes. */
  readonly address: Buffer
  readonly prefix: number
  /** The option as it came. */
  readonly bytes: Buffer
}

export type Edns = {
  readonly payload: number
  readonly version: number
  readonly dnssecOk: boolean
  readonly subnet?: ClientSubnet
}

export type Query = {
  readonly id: number
  /** 0: a question. */
  readonly opcode: number
  readonly recursionDesired: boolean
  readonly checkingDisabled: boolean
  readonly question: Question
  readonly edns?: Edns
}

export type Reading =
  /** No query: never answered, so that two servers cannot talk to each other for ever. */
  | { readonly kind: 'ignore' }
  | { readonly kind: 'bad'; readonly answer: Buffer }
  | { readonly kind: 'query'; readonly query: Query }

const headerBytes = 12
/** An OPT and a signature; the rest is room for what is to come. */
const mostAdditionals = 4

/** Never throws, whatever the bytes are. */
export function readQuery(message: Buffer): Reading {
  if (message.length < headerBytes) return { kind: 'ignore' }
  const flags = message.readUInt16BE(2)
  if ((flags & 0x8000) !== 0) return { kind: 'ignore' }
  const opcode = (flags >> 11) & 15
  // Looked at before anything else: see the decision page. More than one question: RFC 9619.
  const counts = [4, 6, 10].map((at) => message.readUInt16BE(at))
  const [questions = 0, answers = 0, additionals = 0] = counts
  if (questions !== 1 || answers > 0 || additionals > mostAdditionals) return bad(message)
  const question = readQuestion(message)
  if (question === undefined) return bad(message)
  // A zone transfer brings a record of its own along (RFC 1995 §3); it is refused for what it is.
  const isTransfer = question.type === types.ixfr && message.readUInt16BE(8) === 1
  if (!isTransfer && message.readUInt16BE(8) > 0) return bad(message)
  const edns = readEdns(message)
  if (edns === 'malformed') return bad(message, question)
  const query = {
    id: message.readUInt16BE(0),
    opcode,
    recursionDesired: (flags & 0x0100) !== 0,
    checkingDisabled: (flags & 0x0010) !== 0,
    question,
  }
  return { kind: 'query', query: edns === undefined ? query : { ...query, edns } }
}

function bad(message: Buffer, question?: Question): Reading {
  const flags = message.readUInt16BE(2)
  // Whatever else it asks to be done, it is not done here.
  const rcode = ((flags >> 11) & 15) === 0 ? rcodes.formErr : rcodes.notImp
  const header = Buffer.alloc(headerBytes)
  message.copy(header, 0, 0, 2)
  header.writeUInt16BE(0x8000 | (flags & 0x7900) | rcode, 2)
  if (question === undefined) return { kind: 'bad', answer: header }
  header.writeUInt16BE(1, 4)
  return { kind: 'bad', answer: Buffer.concat([header, question.bytes]) }
}

/** The first question. Its name comes first in the message, so that nothing stands before it that it could point to. */
function readQuestion(message: Buffer): Question | undefined {
  let name = ''
  let at = headerBytes
  for (;;) {
    const length = message[at]
    if (length === undefined || length > 63) return undefined
    const next = at + 1 + length
    if (length === 0) break
    if (next - headerBytes > 254) return undefined
    if (name !== '') name += '.'
    for (let index = at + 1; index < next; index++) {
      const byte = message[index]
      if (byte === undefined) return undefined
      name += characters[byte]
    }
    at = next
  }
  const end = at + 5
  if (end > message.length) return undefined
  return {
    name,
    type: message.readUInt16BE(at + 1),
    class: message.readUInt16BE(at + 3),
    bytes: message.subarray(headerBytes, end),
  }
}

/** What each byte of a label reads as: RFC 4343 §2.1's escapes, and one case. */
const characters = Array.from({ length: 256 }, (_, byte) => {
  const character = String.fromCharCode(byte)
  if (/[A-Za-z0-9_-]/.test(character)) return character.toLowerCase()
  return `\\${String(byte).padStart(3, '0')}`
})

function readEdns(message: Buffer): Edns | undefined | 'malformed' {
  let records: readonly (OptRecord | { readonly type: 'other' })[]
  try {
    records = decode(message).additionals
    if (decode.bytes !== message.length) return 'malformed'
  } catch {
    return 'malformed'
  }
  const [opt, ...others] = records.filter((record) => record.type === 'OPT')
  if (opt === undefined) return undefined
  if (others.length > 0 || opt.name !== '.') return 'malformed'
  const option = opt.options.find(({ code }) => code === optionCodes.clientSubnet)
  // Of a version that is not known nothing but the version is believed (RFC 6891 §6.1.3).
  const subnet = option === undefined || opt.ednsVersion > 0 ? undefined : readSubnet(option.data)
  if (subnet === 'malformed') return 'malformed'
  return {
    payload: opt.udpPayloadSize,
    version: opt.ednsVersion,
    dnssecOk: (opt.flags & 0x8000) !== 0,
    ...(subnet === undefined ? {} : { subnet }),
  }
}

const optionCodes = { clientSubnet: 8, error: 15 }

/** RFC 7871 §6: family, prefix, scope (0 in a query), and as many bytes of the address as the prefix needs. */
function readSubnet(data: Buffer): ClientSubnet | 'malformed' {
  const [high, family, prefix = 0, scope] = data
  const width = family === 1 ? 4 : 16
  if (high !== 0 || (family !== 1 && family !== 2) || scope !== 0) return 'malformed'
  if (prefix > width * 8 || data.length !== 4 + Math.ceil(prefix / 8)) return 'malformed'
  // Bits beyond the prefix must be 0.
  const last = data[data.length - 1] ?? 0
  if (prefix % 8 !== 0 && (last & (0xff >> (prefix % 8))) !== 0) return 'malformed'
  const address = Buffer.alloc(width)
  data.copy(address, 0, 4)
  return { address, prefix, bytes: data }
}

type WithoutOwner<R> = R extends Record ? Omit<R, 'name'> : never
export type RecordData = WithoutOwner<Record>

/** All of a record but its owner's name. To be kept: it is the same in every answer. */
export function encodeRecord(record: RecordData): Buffer {
  // The root is one byte, and the name begins after the header.
  return encode({ answers: [{ ...record, name: '.' }] }).subarray(headerBytes + 1)
}

/** `bytes` from encodeRecord. The owner: the question's name, or the zone's with a label before it. */
export type ResponseRecord = {
  readonly owner: 'question' | 'zone' | { readonly label: string }
  readonly bytes: Buffer
}

export type Response = {
  readonly rcode: Rcode
  readonly authoritative: boolean
  /** How many bytes at the end of the question's name (as text, without the last dot) are the zone's. */
  readonly zoneLength: number
  readonly answers: readonly ResponseRecord[]
  readonly authorities: readonly ResponseRecord[]
  /** Left out when they do not fit. */
  readonly additionals: readonly ResponseRecord[]
  /** How many bits of the client's subnet the answer holds for. */
  readonly scope: number
  /** There is more to say than fits: ask again over TCP. */
  readonly truncated: boolean
  readonly error?: { readonly code: number; readonly text: string }
}

/** What a server here takes over UDP, and sends: fits every path unfragmented (dnsflagday.net/2020). */
export const mostUdpBytes = 1232
const leastUdpBytes = 512

/** The longest answer that may go back over UDP: what the client takes, but no more than fits. */
export function udpLimit({ edns }: Query): number {
  return Math.min(Math.max(edns?.payload ?? 0, leastUdpBytes), mostUdpBytes)
}

/** What is left for answers within `limit` bytes. A record takes two bytes for its owner besides its own. */
export function roomFor({ question, edns }: Query, limit: number): number {
  const option = edns?.subnet === undefined ? 0 : 4 + edns.subnet.bytes.length
  return limit - headerBytes - question.bytes.length - (edns === undefined ? 0 : plainOpt.length + option)
}

/** A response with nothing in it but its code. */
export function emptyResponse(rcode: Rcode): Response {
  const none = { answers: [], authorities: [], additionals: [] }
  return { rcode, authoritative: false, truncated: false, zoneLength: 0, scope: 0, ...none }
}

/** Where answers are written; then as much is taken as there is. */
const scratch = Buffer.allocUnsafe(65_535)

/** The answer to `query`, no longer than `limit` bytes: TC says that answers were left out. */
export function writeResponse(query: Query, response: Response, limit: number): Buffer {
  const { question } = query
  const opt = query.edns === undefined ? undefined : encodeOpt(query.edns, response)
  const out = scratch
  const end = limit - (opt?.length ?? 0)
  let at = headerBytes + question.bytes.copy(out, headerBytes)
  const zoneAt = headerBytes + question.bytes.length - 5 - response.zoneLength - 1
  const put = (record: ResponseRecord): boolean => {
    const { owner, bytes } = record
    const label = typeof owner === 'object' ? owner.label : ''
    const size = (label === '' ? 0 : label.length + 1) + 2 + bytes.length
    if (at + size > end) return false
    if (label !== '') {
      out[at++] = label.length
      at += out.write(label, at, 'latin1')
    }
    out.writeUInt16BE(0xc000 | (owner === 'question' ? headerBytes : zoneAt), at)
    at += 2 + bytes.copy(out, at + 2)
    return true
  }
  const putAll = (records: readonly ResponseRecord[]): number => {
    const stop = records.findIndex((record) => !put(record))
    return stop < 0 ? records.length : stop
  }
  const answers = putAll(response.answers)
  const authorities = answers < response.answers.length ? 0 : putAll(response.authorities)
  const isShort = answers < response.answers.length || authorities < response.authorities.length
  const isTruncated = response.truncated || isShort
  const additionals = isTruncated ? 0 : putAll(response.additionals)
  if (opt !== undefined) at += opt.copy(out, at)
  const flags =
    0x8000 |
    (response.authoritative ? 0x0400 : 0) |
    (isTruncated ? 0x0200 : 0) |
    (query.opcode << 11) |
    (query.recursionDesired ? 0x0100 : 0) |
    (query.checkingDisabled ? 0x0010 : 0) |
    (response.rcode & 15)
  for (const [index, word] of [query.id, flags, 1, answers, authorities].entries()) out.writeUInt16BE(word, 2 * index)
  out.writeUInt16BE(additionals + (opt === undefined ? 0 : 1), 10)
  return Buffer.from(out.subarray(0, at))
}

function encodeOpt({ dnssecOk, subnet }: Edns, { rcode, scope, error }: Response): Buffer {
  const options: Option[] = []
  if (subnet !== undefined) {
    const data = Buffer.from(subnet.bytes)
    data[3] = scope
    options.push({ code: optionCodes.clientSubnet, data })
  }
  if (error !== undefined) {
    const data = Buffer.concat([Buffer.from([0, error.code]), Buffer.from(error.text)])
    options.push({ code: optionCodes.error, data })
  }
  if (options.length === 0 && rcode < 16) return dnssecOk ? plainOptDo : plainOpt
  return opt(rcode >> 4, dnssecOk, options)
}

function opt(extendedRcode: number, dnssecOk: boolean, options: readonly Option[]): Buffer {
  const fixed = { type: 'OPT', name: '.', udpPayloadSize: mostUdpBytes, ednsVersion: 0 } as const
  // DO comes back as it came (RFC 3225 §3), though nothing here is signed.
  const record: OptRecord = { ...fixed, extendedRcode, flags: dnssecOk ? 0x8000 : 0, options }
  return encode({ additionals: [record] }).subarray(headerBytes)
}

const plainOpt = opt(0, false, [])
const plainOptDo = opt(0, true, [])
