/** Check `http`: a GET is answered with an accepted status and, when asked for, a matching body. Plain or over TLS. */
import { type ClientRequest, request as httpRequest, type IncomingMessage, type RequestOptions } from 'node:http'
import { request as httpsRequest } from 'node:https'
import { isIP } from 'node:net'
import { describeError } from '../../errors.ts'
import { type Endpoint, formatEndpoint } from '../../lvs/service.ts'
import type { HttpCheckSpec, Probe, ProbeResult } from '../check.ts'
import { boundedMatch, type Match } from './bounded-match.ts'

/** More of a body is not read: a pattern must be found in the beginning. */
const maxBodyBytes = 64 * 1024

type Verdict = Pick<ProbeResult, 'healthy' | 'detail'>

/** Each probe is a connection of its own: a kept one would not tell whether the server still takes new ones. */
export function httpProbe(spec: HttpCheckSpec): Probe {
  const matches = spec.body === undefined ? undefined : boundedMatch(spec.body)
  return (target, { signal }) =>
    new Promise((resolve) => {
      const begun = performance.now()
      const where = formatEndpoint(target)
      let stage = `no answer from ${where} in time`
      let request: ClientRequest
      try {
        const send = spec.tls === undefined ? httpRequest : httpsRequest
        request = send({ ...requestOptions(spec, target), agent: false })
      } catch (error) {
        // A path or name that cannot be written into a request.
        return resolve({ healthy: false, detail: `cannot ask ${where}: ${describeError(error)}`, tookMs: 0 })
      }
      const end = (verdict: Verdict): void => {
        signal.removeEventListener('abort', onAbort)
        resolve({ ...verdict, tookMs: performance.now() - begun })
        request.destroy()
      }
      const onAbort = (): void => end({ healthy: false, detail: stage })
      signal.addEventListener('abort', onAbort, { once: true })
      // Stays for errors that come after the end, of a connection that is being destroyed.
      request.on('error', (error: NodeJS.ErrnoException) =>
        end({ healthy: false, detail: `${where}: ${error.code ?? error.message}` }),
      )
      const onResponse = (response: IncomingMessage): void => {
        stage = `status ${response.statusCode}, but the body of ${where} did not end in time`
        judge(spec, matches, response, end)
      }
      request.once('response', onResponse)
      // A server that changes the protocol leaves its connection with us.
      request.once('upgrade', (response, socket) => {
        onResponse(response)
        socket.destroy()
      })
      request.end()
      if (signal.aborted) onAbort()
    })
}

type HttpOptions = RequestOptions & { readonly servername?: string; readonly rejectUnauthorized?: boolean }

function requestOptions(spec: HttpCheckSpec, target: Endpoint): HttpOptions {
  const { tls } = spec
  const name = tls?.sni ?? spec.host?.replace(/:\d+$/, '')
  return {
    host: target.address,
    port: target.port,
    path: spec.path,
    headers: {
      Host: spec.host ?? formatEndpoint(target),
      'User-Agent': 'baton-check',
      Accept: '*/*',
      Connection: 'close',
    },
    ...(tls === undefined ? {} : { rejectUnauthorized: tls.verify }),
    // RFC 6066 §3: a literal address is no server name.
    ...(tls === undefined || name === undefined || isIP(name) !== 0 ? {} : { servername: name }),
  }
}

function judge(
  spec: HttpCheckSpec,
  matches: ((text: string) => Match) | undefined,
  response: IncomingMessage,
  end: (verdict: Verdict) => void,
): void {
  const status = response.statusCode ?? 0
  if (!accepts(spec.status, status)) return end({ healthy: false, detail: `status ${status}` })
  if (matches === undefined) return end({ healthy: true, detail: `status ${status}` })
  const chunks: Buffer[] = []
  let length = 0
  const decide = (): void => {
    const match = matches(Buffer.concat(chunks).toString('utf8', 0, Math.min(length, maxBodyBytes)))
    if (match === 'yes') return end({ healthy: true, detail: `status ${status}, body matches` })
    const why = match === 'no' ? 'does not match' : 'takes too long to compare with'
    end({ healthy: false, detail: `status ${status}, but the body ${why} ${spec.body}` })
  }
  response.on('data', (chunk: Buffer) => {
    chunks.push(chunk)
    length += chunk.length
    if (length >= maxBodyBytes) decide()
  })
  response.once('end', decide)
  response.once('error', () => end({ healthy: false, detail: `status ${status}, but the body broke off` }))
}

function accepts(accepted: HttpCheckSpec['status'], status: number): boolean {
  return accepted.some((entry) =>
    typeof entry === 'number' ? entry === status : entry[0] <= status && status <= entry[1],
  )
}
