/**
 * Check `http-proxy`: the server is a proxy, asked for a whole URL (RFC 9110 §7.1, RFC 9112 §3.2.2). An https URL goes
 * through a tunnel (CONNECT), with TLS inside of it.
 */
import { request } from 'node:http'
import type { Socket } from 'node:net'
import { connect as connectTls } from 'node:tls'
import { type Endpoint, formatEndpoint } from '../../lvs/service.ts'
import type { HttpProxyCheckSpec, Probe, ProbeResult } from '../check.ts'
import { boundedMatch } from './bounded-match.ts'
import { ask } from './http-exchange.ts'
import { down, failed, probing, tlsOptions, up } from './verdict.ts'

export function httpProxyProbe(spec: HttpProxyCheckSpec): Probe {
  const matches = spec.body === undefined ? undefined : boundedMatch(spec.body)
  const once = async (target: Endpoint, url: URL, signal: AbortSignal, onRedirect?: (location: string) => void) => {
    const common = {
      spec,
      matches,
      host: url.host,
      where: formatEndpoint(target),
      signal,
      ...(onRedirect && { onRedirect }),
    }
    const at = { host: target.address, port: target.port }
    if (url.protocol === 'http:') return ask({ ...common, secure: false, options: { ...at, path: url.href } })
    const tunnel = await openTunnel(target, url, signal)
    if (tunnel.socket === undefined) return tunnel.result
    const { socket } = tunnel
    try {
      const tls = tlsOptions(spec.tls ?? { verify: false }, url.hostname)
      const secured = connectTls({ socket, host: url.hostname, ...tls })
      // Its request hears of its errors; where none could be made, nobody needs to.
      secured.on('error', () => {})
      const options = { path: `${url.pathname}${url.search}`, createConnection: () => secured }
      return await ask({ ...common, secure: false, options })
    } finally {
      socket.on('error', () => {}).destroy()
    }
  }
  return async (target, { signal }) => {
    const begun = performance.now()
    let url = new URL(spec.url)
    for (let left = spec.redirects ?? 0; ; left--) {
      let location: string | undefined
      const onRedirect = left > 0 ? (to: string): void => void (location = to) : undefined
      const result = await once(target, url, signal, onRedirect)
      const next = location === undefined ? undefined : followed(url, location)
      if (next === undefined)
        return {
          ...(location === undefined ? result : down('it redirects to nowhere')),
          tookMs: performance.now() - begun,
        }
      url = next
    }
  }
}

function followed(from: URL, location: string): URL | undefined {
  try {
    const url = new URL(location, from)
    return url.protocol === 'http:' || url.protocol === 'https:' ? url : undefined
  } catch {
    return undefined
  }
}

async function openTunnel(
  target: Endpoint,
  url: URL,
  signal: AbortSignal,
): Promise<{ readonly socket?: Socket; readonly result: ProbeResult }> {
  const where = formatEndpoint(target)
  const authority = `${url.hostname}:${url.port === '' ? 443 : url.port}`
  let tunnel: Socket | undefined
  const result = await probing(
    signal,
    () => down(`no tunnel from ${where} in time`),
    (end) => {
      const asked = request({
        host: target.address,
        port: target.port,
        method: 'CONNECT',
        path: authority,
        headers: { Host: authority, 'User-Agent': 'baton-check' },
        agent: false,
      })
      asked.on('error', (error) => end(failed(where, error)))
      asked.once('connect', (response, socket, ahead) => {
        const status = response.statusCode ?? 0
        if (status < 200 || status > 299 || ahead.length > 0) {
          socket.destroy()
          return end(down(`status ${status} to CONNECT`))
        }
        tunnel = socket
        end(up('connected'))
      })
      asked.once('response', (response) => end(down(`status ${response.statusCode} to CONNECT`)))
      asked.end()
      return () => void (tunnel === undefined && asked.destroy())
    },
  )
  return tunnel === undefined ? { result } : { socket: tunnel, result }
}
