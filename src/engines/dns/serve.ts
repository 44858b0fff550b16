/** One message in, at most one out: what UDP and TCP share. */
import { addressWords } from '../records.ts'
import { emptyResponse, type Query, rcodes, readQuery, udpLimit, writeResponse } from './codec.ts'
import type { Names } from './names.ts'
import type { RateLimit } from './rate-limit.ts'
import { type Client, respond } from './respond.ts'

export type Responder = { readonly names: Names; readonly rateLimit: RateLimit }

const mostTcpBytes = 65_535

/** undefined: no answer. That goes for everything that is no question. */
export function serveUdp(responder: Responder, message: Buffer, client: Client, nowMs: number): Buffer | undefined {
  const reading = readQuery(message)
  if (reading.kind === 'ignore') return undefined
  if (!isLoopback(client.address)) {
    const verdict = responder.rateLimit.take(addressWords(client.address) ?? [0], nowMs)
    if (verdict === 'drop' || (verdict === 'truncate' && reading.kind === 'bad')) return undefined
    if (verdict === 'truncate' && reading.kind === 'query') return truncated(reading.query)
  }
  return reading.kind === 'bad'
    ? reading.answer
    : answer(responder, reading.query, message.length, { client, nowMs, limit: udpLimit(reading.query) })
}

export function serveTcp(responder: Responder, message: Buffer, client: Client, nowMs: number): Buffer | undefined {
  const reading = readQuery(message)
  if (reading.kind === 'ignore') return undefined
  if (reading.kind === 'bad') return reading.answer
  return answer(responder, reading.query, message.length, { client, nowMs, limit: mostTcpBytes })
}

function answer(
  { names }: Responder,
  query: Query,
  bytesIn: number,
  asking: { readonly client: Client; readonly nowMs: number; readonly limit: number },
): Buffer {
  const { response, zone, picked } = respond(query, names, asking)
  const bytes = writeResponse(query, response, asking.limit)
  zone?.count(picked, bytesIn, bytes.length)
  return bytes
}

/** Nothing but TC: ask again over TCP, which nobody can do in another's name. */
function truncated(query: Query): Buffer {
  return writeResponse(query, { ...emptyResponse(rcodes.noError), truncated: true }, udpLimit(query))
}

/** From this machine: nobody else can send from there. */
function isLoopback(address: string): boolean {
  return address.startsWith('127.') || address === '::1'
}
