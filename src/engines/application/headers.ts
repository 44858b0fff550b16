/** Headers on their way through: what ends here (RFC 9110 §7.6.1), and what is told to the other side. Pure. */
import type { ForwardedHeader } from '../../lvs/application.ts'
import { listOf } from './request-check.ts'

/** As Node has them: name, value, name, value … */
export type RawHeaders = readonly string[]

/** Always of one connection only. Framing is made anew on each side. */
const hopByHop = new Set([
  'connection', 'keep-alive', 'proxy-connection', 'proxy-authenticate', 'te', 'transfer-encoding', 'upgrade',
]) // biome-ignore format: a list to read at a glance
/** What a `Connection: NAME` may not take away: the other side relies on these. */
const kept = new Set([
  'authorization', 'cache-control', 'content-encoding', 'content-length', 'content-range', 'content-type', 'cookie', 'expect',
  'forwarded', 'host', 'set-cookie', 'trailer', 'via', 'x-forwarded-for', 'x-forwarded-host', 'x-forwarded-proto',
]) // biome-ignore format: a list to read at a glance
/** RFC 9110 §6.5.1: these say how a message is framed, routed or read, and come too late in a trailer. */
const noTrailers = new Set([
  ...hopByHop, ...kept, 'age', 'date', 'expires', 'location', 'max-forwards', 'range', 'retry-after', 'vary', 'warning',
]) // biome-ignore format: a list to read at a glance

export type Hop = {
  readonly client: string
  /** Where the client reached the service. */
  readonly local: string
  readonly proto: 'http' | 'https'
  readonly version: string
  readonly forwarded: readonly ForwardedHeader[]
}

export type RequestFraming = {
  readonly authority: string | undefined
  readonly method: string
  /** Undefined: chunked. */
  readonly bodyLength: number | undefined
  readonly isWebSocket: boolean
}

/** What the server gets: the client's headers in their order, with one Host, and the hop's own at the end. */
export function requestHeaders(raw: RawHeaders, hop: Hop, framing: RequestFraming): string[] {
  const passed = endToEnd(raw, framing.bodyLength === undefined ? framedAnew : framedAnewWithoutTrailers)
  // RFC 9112 §3.2: Host first, also in requests of HTTP/1.0 clients that have none.
  const headers = ['Host', framing.authority ?? hop.local, ...passed]
  if (framing.isWebSocket) headers.push('Connection', 'Upgrade', 'Upgrade', 'websocket')
  else {
    if (listOf(raw, 'te').includes('trailers')) headers.push('TE', 'trailers', 'Connection', 'keep-alive, TE')
    headers.push(...requestFraming(framing))
  }
  return withForwarded(headers, hop)
}

function requestFraming({ method, bodyLength }: RequestFraming): string[] {
  if (bodyLength === undefined) return ['Transfer-Encoding', 'chunked']
  // RFC 9110 §8.6: said also when it is 0, where a body is usual.
  const isUsual =
    method !== 'GET' && method !== 'HEAD' && method !== 'OPTIONS' && method !== 'TRACE' && method !== 'DELETE'
  return bodyLength > 0 || isUsual ? ['Content-Length', String(bodyLength)] : []
}

/**
 * What clients said of these themselves is kept in front: only the last entry is to be trusted, unless all clients are.
 * X-Forwarded-Proto is said anew.
 */
function withForwarded(headers: readonly string[], hop: Hop): string[] {
  const wanted = new Set(hop.forwarded)
  let result = [...headers]
  if (wanted.has('x-forwarded')) {
    result = appended(result, 'X-Forwarded-For', hop.client)
    result = [...without(result, 'x-forwarded-proto'), 'X-Forwarded-Proto', hop.proto]
  }
  if (wanted.has('forwarded')) {
    const node = hop.client.includes(':') ? `"[${hop.client}]"` : hop.client
    result = appended(result, 'Forwarded', `for=${node};proto=${hop.proto}`)
  }
  return wanted.has('via') ? appended(result, 'Via', `${hop.version} baton`) : result
}

/** RFC 9110 §5.3: all values in one line, the new one last. */
function appended(headers: readonly string[], name: string, value: string): string[] {
  const before = headers.flatMap((text, at) =>
    at % 2 === 1 && headers[at - 1]?.toLowerCase() === name.toLowerCase() ? [text] : [],
  )
  return [...without(headers, name.toLowerCase()), name, [...before, value].join(', ')]
}

function without(headers: readonly string[], name: string): string[] {
  const rest: string[] = []
  for (let at = 0; at < headers.length; at += 2)
    if (headers[at]?.toLowerCase() !== name) rest.push(headers[at] ?? '', headers[at + 1] ?? '')
  return rest
}

/** What the client gets of a server's head. `isChunked`: the body goes on in chunks, so that trailers can follow. */
export function responseHeaders(raw: RawHeaders, isChunked: boolean): string[] {
  return endToEnd(raw, isChunked ? nothing : new Set(['trailer']))
}

/** The head of a 101, as it is sent on: its Connection and Upgrade belong to it. */
export function switchingHeaders(raw: RawHeaders): string[] {
  const passed = endToEnd(raw, new Set(['content-length', 'trailer']))
  return ['Upgrade', 'websocket', 'Connection', 'Upgrade', ...passed]
}

export function trailers(raw: RawHeaders): [string, string][] {
  const pairs: [string, string][] = []
  for (let at = 0; at < raw.length; at += 2) {
    const name = raw[at] ?? ''
    if (!noTrailers.has(name.toLowerCase())) pairs.push([name, raw[at + 1] ?? ''])
  }
  return pairs
}

const nothing: ReadonlySet<string> = new Set()
const framedAnew: ReadonlySet<string> = new Set(['host', 'content-length'])
const framedAnewWithoutTrailers: ReadonlySet<string> = new Set([...framedAnew, 'trailer'])

function endToEnd(raw: RawHeaders, dropped: ReadonlySet<string>): string[] {
  const named = listOf(raw, 'connection').filter((name) => !kept.has(name))
  const passed: string[] = []
  for (let at = 0; at < raw.length; at += 2) {
    const name = raw[at] ?? ''
    const key = name.toLowerCase()
    if (!hopByHop.has(key) && !dropped.has(key) && !named.includes(key)) passed.push(name, raw[at + 1] ?? '')
  }
  return passed
}
