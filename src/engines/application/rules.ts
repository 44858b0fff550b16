/** Which pool a request goes to: the first rule whose every condition holds. Pure. */
import type { ContentMatch, ContentRule } from '../../lvs/application.ts'
import { isBelow, normalisePath, rulePath } from './path.ts'

/** What rules look at. Header names are in lower case; a header that came several times has several values. */
export type RequestView = {
  /** Without port, in lower case; undefined when the client named none. */
  readonly host: string | undefined
  /** The request target's path and query, as it was sent. */
  readonly target: string
  readonly header: (name: string) => readonly string[]
}

export type Choice =
  | { readonly kind: 'pool'; readonly pool: string }
  /** No rule matches: the service's own servers. */
  | { readonly kind: 'own' }
  /** The path means different things to different servers (RFC 9110 §17.3): no rule can be trusted. */
  | { readonly kind: 'refuse' }

export type Chooser = (request: RequestView) => Choice

type Condition = (request: RequestView, path: () => string | undefined) => boolean

/** Rules made ready once, to be asked for each request. */
export function compileRules(rules: readonly ContentRule[]): Chooser {
  const compiled = rules.map(({ match, pool }) => ({ conditions: conditions(match), pool }))
  const readsPath = rules.some(({ match }) => match.path !== undefined)
  return (request) => {
    let path: string | undefined
    if (readsPath) {
      path = normalisePath(request.target)
      if (path === undefined) return { kind: 'refuse' }
    }
    const found = compiled.find((rule) => rule.conditions.every((holds) => holds(request, () => path)))
    return found === undefined ? { kind: 'own' } : { kind: 'pool', pool: found.pool }
  }
}

function conditions({ host, path, header, cookie }: ContentMatch): Condition[] {
  const all: Condition[] = []
  if (host !== undefined) all.push((request) => request.host !== undefined && hostMatches(request.host, host))
  if (path !== undefined) {
    const wanted = rulePath(path.value)
    all.push((_, read) => {
      const own = read()
      return own !== undefined && (path.exact ? own === wanted : isBelow(own, wanted))
    })
  }
  if (header !== undefined)
    all.push((request) => {
      const values = request.header(header.name)
      return header.value === undefined ? values.length > 0 : values.includes(header.value)
    })
  if (cookie !== undefined)
    all.push((request) => {
      const values = cookieValues(request.header('cookie'), cookie.name)
      return cookie.value === undefined ? values.length > 0 : values.includes(cookie.value)
    })
  return all
}

/** `*.shop.example` means everything below shop.example, however deep, and not shop.example itself. */
function hostMatches(host: string, pattern: string): boolean {
  return pattern.startsWith('*.') ? host.length >= pattern.length && host.endsWith(pattern.slice(1)) : host === pattern
}

/** RFC 6265 §5.4: `a=1; b=2`. Names and values as they are; a value may stand in double quotes. */
function cookieValues(headers: readonly string[], name: string): string[] {
  return headers
    .flatMap((header) => header.split(';'))
    .flatMap((pair) => {
      const at = pair.indexOf('=')
      if (at < 0 || pair.slice(0, at).trim() !== name) return []
      const value = pair.slice(at + 1).trim()
      return [/^".*"$/u.test(value) ? value.slice(1, -1) : value]
    })
}
