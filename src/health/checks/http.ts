/** Check `http`: a request is answered with an accepted status and, when asked for, a matching body. Plain or over TLS. */
import { formatEndpoint } from '../../lvs/service.ts'
import type { HttpCheckSpec, Probe, ProbeResult } from '../check.ts'
import { boundedMatch } from './bounded-match.ts'
import { ask } from './http-exchange.ts'
import { connectionFrom } from './outgoing.ts'
import { down, tlsOptions } from './verdict.ts'

/** Where one request goes: always to the checked server, whatever a redirect says of hosts. */
type Step = { readonly secure: boolean; readonly port: number; readonly path: string; readonly host: string }

export function httpProbe(spec: HttpCheckSpec): Probe {
  const matches = spec.body === undefined ? undefined : boundedMatch(spec.body, spec.bodyMatch)
  return async (target, { signal, from }) => {
    const begun = performance.now()
    const host = spec.host ?? formatEndpoint(target)
    let step: Step = { secure: spec.tls !== undefined, port: target.port, path: spec.path, host }
    for (let left = spec.redirects ?? 0; ; left--) {
      let location: string | undefined
      const onRedirect = (to: string): void => void (location = to)
      const { secure, port, path } = step
      const tls = secure ? securely(spec, step) : undefined
      const result = await ask({
        spec,
        matches,
        secure,
        options: { host: target.address, port, path, ...tls, ...connectionFrom({ ...target, port }, from, tls) },
        host: step.host,
        where: formatEndpoint({ ...target, port }),
        signal,
        ...(left > 0 ? { onRedirect } : {}),
      })
      const next = location === undefined ? undefined : redirected(step, location)
      if (next !== undefined) step = next
      else return ended(location === undefined ? result : { ...result, ...down(`it redirects to nowhere`) }, begun)
    }
  }
}

function ended(result: ProbeResult, begun: number): ProbeResult {
  return { ...result, tookMs: performance.now() - begun }
}

function securely({ tls = { verify: false } }: HttpCheckSpec, { host }: Step): ReturnType<typeof tlsOptions> {
  return tlsOptions(tls, hostName(host))
}

/** Of a Host header: its name or address, without a port and brackets. */
function hostName(host: string): string {
  return host.replace(/:\d+$/, '').replace(/^\[|\]$/g, '')
}

/**
 * A redirect's next step. Under the same scheme the port stays, as the server is checked behind the port that clients
 * know; under the other one it is the location's.
 */
function redirected(step: Step, location: string): Step | undefined {
  let url: URL
  try {
    url = new URL(location, `${step.secure ? 'https' : 'http'}://${step.host}${step.path}`)
  } catch {
    return undefined
  }
  if (url.protocol !== 'http:' && url.protocol !== 'https:') return undefined
  const secure = url.protocol === 'https:'
  const other = url.port === '' ? (secure ? 443 : 80) : Number(url.port)
  return {
    secure,
    port: secure === step.secure ? step.port : other,
    path: `${url.pathname}${url.search}`,
    host: url.host,
  }
}
