/**
 * What the HTTP parser lets through and a balancer must not: requests that two programs could read differently.
 * Node's llhttp (strict) refuses the rest itself: both lengths, bad chunks, bare CR or LF, folded lines, control characters.
 */

export type RequestHead = {
  readonly method: string
  /** As in the request line. */
  readonly target: string
  readonly version: string
  /** Name, value, name, value … as they came. */
  readonly rawHeaders: readonly string[]
}

export type CheckedRequest =
  | {
      readonly ok: true
      /** For the Host header towards the server; undefined when an HTTP/1.0 client sent none. */
      readonly authority: string | undefined
      /** In origin form, or `*`. */
      readonly target: string
      readonly isWebSocket: boolean
    }
  | { readonly ok: false; readonly status: 400 | 501 | 505; readonly reason: string }

const refuse = (status: 400 | 501 | 505, reason: string): CheckedRequest => ({ ok: false, status, reason })

/** RFC 3986 §3.2.2 and §3.2.3, without user information: a name or an address, and a port. */
const authorityShape = /^(?:[\w.~!$&'()*+;=%-]+|\[[\da-f:.]+\])(?::\d{0,5})?$/iu
const absoluteForm = /^https?:\/\/([^/?#]*)([^#]*)$/iu
/** RFC 9112 §7: codings that are real but not understood here. */
const codings = /^[\w-]+(?:[\t ]*,[\t ]*[\w-]+)*[\t ]*,[\t ]*chunked$/iu

export function checkRequest(head: RequestHead): CheckedRequest {
  const { method, version } = head
  if (version !== '1.1' && version !== '1.0') return refuse(505, `HTTP/${version}`)
  if (method === 'CONNECT') return refuse(501, 'CONNECT is for forward proxies')
  const framing = checkFraming(head)
  if (framing !== undefined) return framing
  const hosts = valuesOf(head.rawHeaders, 'host')
  // RFC 9112 §3.2: exactly one.
  if (hosts.length > 1 || (hosts.length === 0 && version === '1.1')) return refuse(400, `${hosts.length} Host headers`)
  const [host] = hosts
  if (host !== undefined && !authorityShape.test(host)) return refuse(400, 'the Host header is no host')
  const place = placeOf(head, host)
  if (place === undefined) return refuse(400, 'the request target is none, or not the one that Host names')
  const isUpgrade =
    valuesOf(head.rawHeaders, 'upgrade').length > 0 && listOf(head.rawHeaders, 'connection').includes('upgrade')
  if (isUpgrade && bodyLength(head) !== 0) return refuse(400, 'an upgrade with a body')
  const protocols = listOf(head.rawHeaders, 'upgrade')
  const isWebSocket = isUpgrade && method === 'GET' && version === '1.1' && protocols.join() === 'websocket'
  return { ok: true, ...place, isWebSocket }
}

/** The host that rules compare: in lower case, without port and final dot. */
export function hostName(authority: string | undefined): string | undefined {
  return authority?.toLowerCase().replace(/:\d*$/u, '').replace(/\.$/u, '')
}

function checkFraming({ rawHeaders, version }: RequestHead): CheckedRequest | undefined {
  const transfer = valuesOf(rawHeaders, 'transfer-encoding')
  if (transfer.length > 0) {
    // RFC 9112 §6.1: an HTTP/1.0 message with Transfer-Encoding has faulty framing.
    if (version === '1.0') return refuse(400, 'Transfer-Encoding in HTTP/1.0')
    const [first = ''] = transfer
    if (transfer.length === 1 && codings.test(first) && !/identity/iu.test(first)) return refuse(501, `coding ${first}`)
    if (transfer.length > 1 || first.toLowerCase() !== 'chunked') return refuse(400, 'Transfer-Encoding is not chunked')
  }
  const lengths = valuesOf(rawHeaders, 'content-length')
  if (lengths.length > 1 || (lengths.length > 0 && transfer.length > 0)) return refuse(400, 'two lengths')
  if (lengths[0] !== undefined && !/^\d+$/u.test(lengths[0])) return refuse(400, 'Content-Length is no number')
  return undefined
}

/** RFC 9112 §3.2: origin form, absolute form that names the same host as Host does, or `*` for OPTIONS. */
function placeOf(
  { method, target }: RequestHead,
  host: string | undefined,
): { readonly authority: string | undefined; readonly target: string } | undefined {
  if (target.includes('#')) return undefined
  if (target === '*') return method === 'OPTIONS' ? { authority: host, target } : undefined
  if (target.startsWith('/')) return { authority: host, target }
  const [, authority = '', rest = ''] = absoluteForm.exec(target) ?? []
  if (!authorityShape.test(authority)) return undefined
  if (host !== undefined && host.toLowerCase() !== authority.toLowerCase()) return undefined
  return { authority, target: rest.startsWith('/') ? rest : `/${rest}` }
}

/** Undefined: known only at its end. */
export function bodyLength({ rawHeaders }: Pick<RequestHead, 'rawHeaders'>): number | undefined {
  if (valuesOf(rawHeaders, 'transfer-encoding').length > 0) return undefined
  return Number(valuesOf(rawHeaders, 'content-length')[0] ?? 0)
}

/** All values of a header, `name` in lower case. */
export function valuesOf(rawHeaders: readonly string[], name: string): string[] {
  const values: string[] = []
  for (let at = 0; at < rawHeaders.length; at += 2) {
    const own = rawHeaders[at]
    if (own !== undefined && own.length === name.length && own.toLowerCase() === name)
      values.push(rawHeaders[at + 1] ?? '')
  }
  return values
}

/** The members of a comma-separated header, in lower case. */
export function listOf(rawHeaders: readonly string[], name: string): string[] {
  return valuesOf(rawHeaders, name).flatMap((value) =>
    value
      .split(',')
      .map((member) => member.trim().toLowerCase())
      .filter((member) => member !== ''),
  )
}
