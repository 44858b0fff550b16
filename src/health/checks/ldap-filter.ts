/** LDAP's search filters: text (RFC 4515) to what is sent (RFC 4511 §4.5.1.7). */
import { encodeBer, encodeBerText } from '../../wire/ber.ts'

const tags = {
  and: 0xa0,
  or: 0xa1,
  not: 0xa2,
  equal: 0xa3,
  substrings: 0xa4,
  least: 0xa5,
  most: 0xa6,
  present: 0x87,
  approximate: 0xa8,
}
const maxDepth = 16

/** The filter's bytes, or where the text stops being one. */
export type FilterResult = { readonly bytes: Uint8Array } | { readonly at: number; readonly expected: string }

class NoFilter extends Error {
  readonly at: number
  constructor(at: number, expected: string) {
    super(expected)
    this.at = at
  }
}

export function encodeLdapFilter(text: string): FilterResult {
  let at = 0
  const take = (mark: string): void => {
    if (text[at] !== mark) throw new NoFilter(at, `'${mark}'`)
    at++
  }
  const filters = (depth: number): readonly Uint8Array[] => {
    const parts: Uint8Array[] = []
    while (text[at] === '(') parts.push(filter(depth + 1))
    return parts
  }
  const inside = (depth: number): Uint8Array => {
    const kind = text[at]
    if (kind === '&' || kind === '|') {
      at++
      return encodeBer(kind === '&' ? tags.and : tags.or, ...filters(depth))
    }
    if (kind === '!') {
      at++
      return encodeBer(tags.not, filter(depth + 1))
    }
    const end = text.indexOf(')', at)
    if (end < 0) throw new NoFilter(text.length, "')'")
    const bytes = item(text.slice(at, end), at)
    at = end
    return bytes
  }
  const filter = (depth: number): Uint8Array => {
    if (depth > maxDepth) throw new NoFilter(at, 'fewer filters in one another')
    take('(')
    const bytes = inside(depth)
    take(')')
    return bytes
  }
  try {
    const bytes = filter(0)
    return at === text.length ? { bytes } : { at, expected: 'the end' }
  } catch (error) {
    if (error instanceof NoFilter) return { at: error.at, expected: error.message }
    throw error
  }
}

function item(text: string, at: number): Uint8Array {
  const [, attribute = '', sign = '', assertion = ''] = /^([A-Za-z0-9.;-]+)(=|>=|<=|~=)([^(]*)$/.exec(text) ?? []
  if (attribute === '') throw new NoFilter(at, 'attribute=value')
  const name = encodeBerText(attribute)
  if (sign === '=' && assertion === '*') return encodeBerText(attribute, tags.present)
  if (sign === '=' && assertion.includes('*')) return encodeBer(tags.substrings, name, substrings(assertion, at))
  const tag = { '=': tags.equal, '>=': tags.least, '<=': tags.most, '~=': tags.approximate }[sign] ?? tags.equal
  return encodeBer(tag, name, encodeBer(0x04, unescaped(assertion, at)))
}

/** `a*b*c`: begins with a, has b, ends with c. */
function substrings(assertion: string, at: number): Uint8Array {
  const pieces = assertion.split('*')
  const parts = pieces.flatMap((piece, index) => {
    if (piece === '') return []
    const tag = index === 0 ? 0x80 : index === pieces.length - 1 ? 0x82 : 0x81
    return [encodeBer(tag, unescaped(piece, at))]
  })
  if (parts.length === 0) throw new NoFilter(at, 'a text between asterisks')
  return encodeBer(0x30, ...parts)
}

/** RFC 4515 §3: `\2a` is an asterisk. */
function unescaped(text: string, at: number): Uint8Array {
  const bytes: number[] = []
  for (const [part] of text.matchAll(/\\[0-9A-Fa-f]{2}|[^\\]+|\\/g)) {
    if (part === '\\') throw new NoFilter(at, 'two hexadecimal digits after each backslash')
    if (part.startsWith('\\')) bytes.push(Number.parseInt(part.slice(1), 16))
    else bytes.push(...new TextEncoder().encode(part))
  }
  return Uint8Array.from(bytes)
}
