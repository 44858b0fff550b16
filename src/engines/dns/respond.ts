/**
 * From a question and what is known to the answer. An authoritative server without recursion: RFC 1034 §4.3.2, RFC 2308
 * for what is not there, RFC 2782 for SRV, RFC 8482 for ANY.
 */
import type { AddressWords, Flow } from '../../lvs/schedulers/scheduler.ts'
import { addressWords } from '../records.ts'
import {
  type ClientSubnet,
  classIn,
  ede,
  emptyResponse,
  encodeRecord,
  type Query,
  type Rcode,
  type Response,
  type ResponseRecord,
  rcodes,
  roomFor,
  types,
} from './codec.ts'
import type { Names } from './names.ts'
import type { DnsServer } from './server.ts'
import { nameServerLabel, type Zone } from './zone.ts'

export type Client = { readonly address: string; readonly port: number }

export type Asking = {
  readonly client: Client
  /** Monotonic. */
  readonly nowMs: number
  /** How many bytes the answer may have. */
  readonly limit: number
}

export type Reply = {
  readonly response: Response
  /** Whose question it was; undefined: nobody's here. */
  readonly zone?: Zone
  /** The server that comes first in the answer. */
  readonly picked?: DnsServer | undefined
}

type Parts = {
  readonly rcode?: Rcode
  readonly answers?: readonly ResponseRecord[]
  readonly authorities?: readonly ResponseRecord[]
  readonly additionals?: readonly ResponseRecord[]
  readonly truncated?: boolean
  readonly error?: { readonly code: number; readonly text: string }
}

/** Types that ask for something to be done rather than for data (RFC 6895 §3.1), and OPT, which is no type at all. */
const isMeta = (type: number): boolean => type >= 128 && type < types.any

/**
 * The answer. Picking is all that it changes: a scheduler's turn passes on. The client that the scheduler sees is the
 * subnet that the resolver asks for (RFC 7871), else the resolver itself.
 */
export function respond(query: Query, names: Names, { client, nowMs, limit }: Asking): Reply {
  const { question, edns } = query
  if (edns !== undefined && edns.version > 0) return refusal(rcodes.badVers)
  if (query.opcode !== 0) return refusal(rcodes.notImp)
  if (question.type === types.opt) return refusal(rcodes.formErr)
  if (question.type === types.axfr || question.type === types.ixfr)
    return refusal(rcodes.refused, { code: ede.notSupported, text: 'no zone transfers' })
  if (isMeta(question.type)) return refusal(rcodes.notImp)
  const zone = question.class === classIn ? names.find(question.name) : undefined
  if (zone === undefined) return refusal(rcodes.refused, { code: ede.notAuthoritative, text: 'no such service here' })
  const asked: Asked = { query, zone, flow: flowOf(zone, query, client, nowMs), room: roomFor(query, limit) }
  const below = question.name.slice(0, -zone.id.name.length - 1)
  if (below === '') return atService(asked)
  if (/^_[^.]+\._(?:tcp|udp|sctp)$/.test(below)) return atServiceLabel(asked)
  // RFC 8020: "no such name" would mean everything below as well.
  if (/^_(?:tcp|udp|sctp)$/.test(below) || names.isParent(question.name)) return nothing(asked)
  return atServer(asked, below)
}

type Asked = { readonly query: Query; readonly zone: Zone; readonly flow: Flow; readonly room: number }

function refusal(rcode: Rcode, error?: Parts['error']): Reply {
  const response = emptyResponse(rcode)
  return { response: error === undefined ? response : { ...response, error } }
}

function reply({ query, zone }: Asked, parts: Parts, picked?: DnsServer): Reply {
  const { rcode = rcodes.noError, answers = [], authorities = [], additionals = [], truncated = false, error } = parts
  const response: Response = {
    rcode,
    authoritative: rcode !== rcodes.servFail,
    truncated,
    zoneLength: zone.id.name.length,
    answers,
    authorities,
    additionals,
    scope: scopeOf(zone, query.edns?.subnet),
  }
  return { response: error === undefined ? response : { ...response, error }, zone, picked }
}

function atService(asked: Asked): Reply {
  const { zone, query } = asked
  switch (query.question.type) {
    case types.a:
    case types.aaaa:
      return addresses(asked, query.question.type === types.a ? 'A' : 'AAAA')
    case types.srv:
      return services(asked)
    case types.soa:
      return reply(asked, { answers: [zone.soa] })
    case types.ns: {
      const address = zone.addressOf(nameServerLabel)
      const glue = address && { owner: { label: nameServerLabel }, bytes: address.record.bytes }
      return reply(asked, { answers: [zone.nameServer], additionals: glue === undefined ? [] : [glue] })
    }
    case types.any:
      return minimal(asked)
    default:
      return nothing(asked)
  }
}

function addresses(asked: Asked, kind: 'A' | 'AAAA'): Reply {
  const choice = asked.zone.chooseAddresses(kind, asked.flow, asked.room)
  if (choice.kind === 'too many') return reply(asked, { truncated: true })
  const { picked, entries } = choice
  if (entries.length > 0) return reply(asked, { answers: entries }, picked)
  // Nobody of this family: said as it is, so that clients take the other at once.
  return asked.zone.isServed ? nothing(asked) : unserved(asked)
}

function services(asked: Asked): Reply {
  const choice = asked.zone.chooseServices(asked.flow, asked.room)
  if (choice.kind === 'too many') return reply(asked, { truncated: true })
  const { picked, entries } = choice
  if (entries.length === 0) return unserved(asked)
  const additionals = new Map(entries.map(({ address }) => [address.bytes.toString('latin1'), address]))
  const answers = entries.map(({ service }) => service)
  return reply(asked, { answers, additionals: [...additionals.values()] }, picked)
}

function atServiceLabel(asked: Asked): Reply {
  const { type } = asked.query.question
  if (type === types.any) return minimal(asked)
  return type === types.srv ? services(asked) : nothing(asked)
}

function atServer(asked: Asked, label: string): Reply {
  const { type } = asked.query.question
  const found = asked.zone.addressOf(label)
  if (found === undefined) return label === nameServerLabel ? nothing(asked) : negative(asked, rcodes.nxDomain)
  if (type === types.any) return minimal(asked)
  const isAsked = (type === types.a && found.kind === 'A') || (type === types.aaaa && found.kind === 'AAAA')
  return isAsked ? reply(asked, { answers: [found.record] }) : nothing(asked)
}

/** RFC 8482 §4.2: ANY is answered with as little as there is, or it would be asked in others' names. */
function minimal(asked: Asked): Reply {
  const bytes = encodeRecord({ type: 'HINFO', ttl: asked.zone.ttlSeconds, data: { cpu: 'RFC8482', os: '' } })
  return reply(asked, { answers: [{ owner: 'question', bytes }] })
}

/** The name is there, but nothing of that type. */
const nothing = (asked: Asked): Reply => negative(asked, rcodes.noError)

function negative(asked: Asked, rcode: Rcode): Reply {
  return reply(asked, { rcode, authorities: [asked.zone.soa] })
}

/**
 * No server is usable. To say that the name has no address would be a lie that is kept; SERVFAIL is a passing failure: clients
 * ask again, and resolvers may go on with what they knew (RFC 8767).
 */
function unserved(asked: Asked): Reply {
  return reply(asked, { rcode: rcodes.servFail, error: { code: ede.other, text: 'no usable server' } })
}

/** Schedulers that go by the client's address: only theirs is an answer for that client alone. */
const byClient = ['sh', 'mh']

function scopeOf({ service }: Zone, subnet: ClientSubnet | undefined): number {
  return subnet !== undefined && byClient.includes(service.scheduler) ? subnet.prefix : 0
}

function flowOf({ id }: Zone, { edns }: Query, client: Client, atMs: number): Flow {
  const subnet = edns?.subnet
  // A prefix of no bits asks not to be told apart (RFC 7871 §7.1.2).
  const hidden = subnet === undefined || subnet.prefix === 0
  let source: AddressWords | undefined
  return {
    get source() {
      source ??= hidden ? (addressWords(client.address) ?? [0]) : wordsOf(subnet.address)
      return source
    },
    sourcePort: hidden ? client.port : 0,
    get destination() {
      return addressWords(id.address) ?? [0]
    },
    destinationPort: id.port,
    atMs,
  }
}

function wordsOf(address: Buffer): AddressWords {
  return Array.from({ length: address.length / 4 }, (_, at) => address.readUInt32BE(4 * at))
}
