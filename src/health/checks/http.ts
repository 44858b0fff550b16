/** Check `http`: a GET is answered with an accepted status and, when asked for, a matching body. Plain or over TLS. */
import { request as httpRequest, type IncomingMessage, type RequestOptions } from 'node:http'
import { request as httpsRequest } from 'node:https'
import { isIP } from 'node:net'
import { type Endpoint, formatEndpoint } from '../../lvs/service.ts'
import type { HttpCheckSpec, Probe, ProbeResult } from '../check.ts'

/** More of a body is not read: a pattern must be found in the beginning. */
const maxBodyBytes = 64 * 1024

/** Each probe is a connection of its own: a kept one would not tell whether the server still takes new ones. */
export function httpProbe(spec: HttpCheckSpec): Probe {
  const pattern = spec.body === undefined ? undefined : new RegExp(spec.body)
  return (target, { signal }) =>
    new Promise((resolve) => {
      const begun = performance.now()
      const send = spec.tls === undefined ? httpRequest : httpsRequest
      const request = send({ ...requestOptions(spec, target), agent: false })
      const end = (result: Omit<ProbeResult, 'tookMs'>): void => {
        signal.removeEventListener('abort', onAbort)
        resolve({ ...result, tookMs: performance.now() - begun })
        request.destroy()
      }
      const fail = (detail: string): void => end({ healthy: false, detail })
      const onAbort = (): void => fail(`no answer from ${formatEndpoint(target)} in time`)
      signal.addEventListener('abort', onAbort, { once: true })
      request.on('error', (error: NodeJS.ErrnoException) =>
        fail(`${formatEndpoint(target)}: ${error.code ?? error.message}`),
      )
      request.once('upgrade', (response) => judge(spec, pattern, response, end))
      request.once('response', (response) => judge(spec, pattern, response, end))
      request.end()
      if (signal.aborted) onAbort()
    })
}

function requestOptions(
  spec: HttpCheckSpec,
  target: Endpoint,
): RequestOptions & { servername?: string; rejectUnauthorized?: boolean } {
  const name = spec.tls?.sni ?? spec.host
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
    ...(spec.tls === undefined ? {} : { rejectUnauthorized: spec.tls.verify }),
    // RFC 6066 §3: a literal address is no server name.
    ...(spec.tls === undefined || name === undefined || isIP(name) !== 0 ? {} : { servername: name }),
  }
}

function judge(
  spec: HttpCheckSpec,
  pattern: RegExp | undefined,
  response: IncomingMessage,
  end: (result: Omit<ProbeResult, 'tookMs'>) => void,
): void {
  const status = response.statusCode ?? 0
  if (!accepts(spec.status, status)) return end({ healthy: false, detail: `status ${status}` })
  if (pattern === undefined) return end({ healthy: true, detail: `status ${status}` })
  let body = Buffer.alloc(0)
  const decide = (): void =>
    pattern.test(body.toString())
      ? end({ healthy: true, detail: `status ${status}, body matches` })
      : end({ healthy: false, detail: `status ${status}, but the body does not match ${pattern.source}` })
  response.on('data', (chunk: Buffer) => {
    body = Buffer.concat([body, chunk]).subarray(0, maxBodyBytes)
    if (body.length === maxBodyBytes) decide()
  })
  response.once('end', decide)
  response.once('error', () => end({ healthy: false, detail: `status ${status}, but the body broke off` }))
}

function accepts(accepted: HttpCheckSpec['status'], status: number): boolean {
  return accepted.some((entry) =>
    typeof entry === 'number' ? entry === status : entry[0] <= status && status <= entry[1],
  )
}
