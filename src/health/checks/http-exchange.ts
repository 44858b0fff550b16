/** One HTTP request of a check, and what its answer is worth. */
import { createHash } from 'node:crypto'
import type { ClientRequest, IncomingMessage, RequestOptions } from 'node:http'
import { request as httpRequest } from 'node:http'
import { request as httpsRequest } from 'node:https'
import type { HttpCheckSpec, HttpProxyCheckSpec, ProbeResult, StatusCodes } from '../check.ts'
import type { Match } from './bounded-match.ts'
import { down, failed, probing, up, type Verdict } from './verdict.ts'

/** More of a body is not read: a pattern must be found in the beginning. */
const maxBodyBytes = 64 * 1024

export type RequestSpec = HttpCheckSpec | HttpProxyCheckSpec

export type Ask = {
  readonly spec: RequestSpec
  readonly matches: ((text: string) => Match) | undefined
  readonly secure: boolean
  /** Where, which path, and TLS's options. */
  readonly options: RequestOptions & { readonly servername?: string; readonly rejectUnauthorized?: boolean }
  /** The Host header. */
  readonly host: string
  /** The server, for details. */
  readonly where: string
  readonly signal: AbortSignal
  /** Called with the Location of a redirect in place of a verdict, where redirects are followed. */
  readonly onRedirect?: (location: string) => void
}

/** Each request has a connection of its own: a kept one would not tell whether the server still takes new ones. */
export function ask({ spec, matches, secure, options, host, where, signal, onRedirect }: Ask): Promise<ProbeResult> {
  let stage = `no answer from ${where} in time`
  return probing(
    signal,
    () => down(stage),
    (end) => {
      let request: ClientRequest
      try {
        const send = secure ? httpsRequest : httpRequest
        // An agent, even none, would keep a connection that was made before from being used.
        const agent = options.createConnection === undefined ? { agent: false } : {}
        request = send({ ...options, ...agent, method: spec.method ?? 'GET', headers: headersOf(spec, host) })
      } catch (error) {
        // A path or name that cannot be written into a request.
        end(down(`cannot ask ${where}: ${error instanceof Error ? error.message : String(error)}`))
        return () => {}
      }
      // Stays for errors that come after the end, of a connection that is being destroyed.
      request.on('error', (error: NodeJS.ErrnoException) => end(failed(where, error)))
      const onResponse = (response: IncomingMessage): void => {
        const { location } = response.headers
        if (onRedirect !== undefined && location !== undefined && isRedirect(response.statusCode)) {
          onRedirect(location)
          return end(up(`status ${response.statusCode}`))
        }
        stage = `status ${response.statusCode}, but the body of ${where} did not end in time`
        judge(spec, matches, response, end)
      }
      request.once('response', onResponse)
      // A server that changes the protocol leaves its connection with us.
      request.once('upgrade', (response, socket) => {
        onResponse(response)
        socket.destroy()
      })
      request.end(spec.send)
      return () => request.destroy()
    },
  )
}

function isRedirect(status: number | undefined): boolean {
  return status !== undefined && [301, 302, 303, 307, 308].includes(status)
}

/** The spec's own headers replace ours, in whatever case they are written. */
function headersOf({ headers = {}, send }: RequestSpec, host: string): Record<string, string> {
  const usual = {
    Host: host,
    'User-Agent': 'baton-check',
    Accept: '*/*',
    Connection: 'close',
    ...(send === undefined ? {} : { 'Content-Length': String(Buffer.byteLength(send)) }),
  }
  const own = new Set(Object.keys(headers).map((name) => name.toLowerCase()))
  const kept = Object.entries(usual).filter(([name]) => !own.has(name.toLowerCase()))
  return { ...Object.fromEntries(kept), ...headers }
}

function judge(
  spec: RequestSpec,
  matches: ((text: string) => Match) | undefined,
  response: IncomingMessage,
  end: (verdict: Verdict) => void,
): void {
  const status = response.statusCode ?? 0
  if (!accepts(spec.status, status)) return end(down(`status ${status}`))
  if (spec.md5 !== undefined) return judgeDigest(spec.md5, response, end)
  if (matches === undefined) return end(up(`status ${status}`))
  const chunks: Buffer[] = []
  let length = 0
  const decide = (): void => {
    const match = matches(Buffer.concat(chunks).toString('utf8', 0, Math.min(length, maxBodyBytes)))
    if (match === 'yes') return end(up(`status ${status}, body matches`))
    const differs = spec.bodyMatch?.isAbsent === true ? 'matches' : 'does not match'
    const why = match === 'no' ? differs : 'takes too long to compare with'
    end(down(`status ${status}, but the body ${why} ${spec.body}`))
  }
  response.on('data', (chunk: Buffer) => {
    chunks.push(chunk)
    length += chunk.length
    if (length >= maxBodyBytes) decide()
  })
  response.once('end', decide)
  response.once('error', () => end(down(`status ${status}, but the body broke off`)))
}

/** Of the whole body, however long: nothing of it is kept. */
function judgeDigest(md5: string, response: IncomingMessage, end: (verdict: Verdict) => void): void {
  const hash = createHash('md5')
  response.on('data', (chunk: Buffer) => hash.update(chunk))
  response.once('end', () => {
    const found = hash.digest('hex')
    const status = `status ${response.statusCode}`
    end(
      found === md5 ? up(`${status}, the body is the expected one`) : down(`${status}, but the body's MD5 is ${found}`),
    )
  })
  response.once('error', () => end(down(`status ${response.statusCode}, but the body broke off`)))
}

export function accepts(accepted: StatusCodes, status: number): boolean {
  return accepted.some((entry) =>
    typeof entry === 'number' ? entry === status : entry[0] <= status && status <= entry[1],
  )
}
