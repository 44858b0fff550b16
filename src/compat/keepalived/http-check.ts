/** A URL of HTTP_GET and SSL_GET in Baton's words. Pure. */
import type { Checker, Real, Virtual } from '../../formats/keepalived/model.ts'
import { translatePattern } from '../../formats/keepalived/pcre.ts'
import { allOf, type Entry, lastOf } from '../../formats/keepalived/tree.ts'
import { isSet, numberIn } from '../../formats/keepalived/virtuals.ts'
import type { BodyMatch, HttpCheckSpec, StatusCodes } from '../../health/check.ts'
import type { Say } from './say.ts'

export type UrlOf = { readonly checker: Checker; readonly real: Real; readonly virtual: Virtual }

const carried = new Set([
  'path', 'status_code', 'virtualhost', 'digest', 'regex', 'regex_no_match', 'regex_options', 'regex_min_offset',
  'regex_max_offset',
  // How PCRE's memory grows, which is not ours.
  'regex_stack',
]) // biome-ignore format: a list to read at a glance

export function httpProbe(url: Entry, of: UrlOf, say: Say): readonly HttpCheckSpec[] {
  const { entries } = url
  const { checker, real, virtual } = of
  const path = lastOf(entries, 'path')?.words[0]
  if (path === undefined) return []
  for (const entry of entries)
    if (!carried.has(entry.keyword)) say('warning', entry.place, `${entry.keyword} of a url is not taken over`)
  const host = [entries, checker.entries, real.entries, virtual.entries]
    .map((block) => lastOf(block, 'virtualhost')?.words[0])
    .find((name) => name !== undefined)
  const sni = isSet(checker.entries, 'enable_sni') ? host : undefined
  const digest = lastOf(entries, 'digest')?.words[0]?.toLowerCase()
  return [
    {
      kind: 'http',
      path,
      status: statusOf(entries),
      ...(host === undefined ? {} : { host }),
      ...(digest !== undefined && /^[0-9a-f]{32}$/.test(digest) ? { md5: digest } : {}),
      ...patternOf(entries, say),
      ...(checker.kind === 'SSL_GET' ? { tls: { verify: false, ...(sni === undefined ? {} : { sni }) } } : {}),
    },
  ]
}

/** keepalived looks at the digest first, and at the pattern only without one. */
function patternOf(entries: readonly Entry[], say: Say): { body?: string; bodyMatch?: BodyMatch } {
  const regex = lastOf(entries, 'regex')
  const [pattern] = regex?.words ?? []
  if (regex === undefined || pattern === undefined) return {}
  const options = allOf(entries, 'regex_options').flatMap(({ words }) => words)
  const translated = translatePattern(pattern, options)
  if ('refused' in translated) {
    say('error', regex.place, `regex ${pattern}: ${translated.refused}`)
    return {}
  }
  const { source: body, flags } = translated
  const [from, until] = ['regex_min_offset', 'regex_max_offset'].map((keyword) => numberIn(entries, keyword, 0))
  const bodyMatch: BodyMatch = {
    ...(flags === '' ? {} : { flags }),
    ...(lastOf(entries, 'regex_no_match') === undefined ? {} : { isAbsent: true }),
    ...(from ? { from } : {}),
    ...(until ? { until } : {}),
  }
  return { body, ...(Object.keys(bodyMatch).length === 0 ? {} : { bodyMatch }) }
}

/** 200 to 299 when none is written, or none rightly. */
function statusOf(entries: readonly Entry[]): StatusCodes {
  const codes = allOf(entries, 'status_code').flatMap(({ words }) =>
    words.flatMap((word): (number | readonly [number, number])[] => {
      const [, from, to] = /^([1-9][0-9]{2})(?:-([1-9][0-9]{2}))?$/.exec(word) ?? []
      if (from === undefined) return []
      return to === undefined ? [Number(from)] : [[Number(from), Number(to)]]
    }),
  )
  return codes.length === 0 ? [[200, 299]] : codes
}
