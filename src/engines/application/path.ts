/** A request's path in the one form in which rules compare it: decoded once, without `.` and `..`, as bytes. */

/** One char per byte, so that no byte is lost and none is read as another encoding's letter. */
type ByteText = string

/**
 * RFC 3986 §6.2.2: percent-encodings decoded once, dot segments removed (§5.2.4), runs of slashes made one. `%2F` and
 * `%5C` stay as they are: a server may or may not take them for a separator. Undefined when the path means different things to those
 * who do and those who do not, or leaves the root, or holds a NUL: then no rule can be trusted.
 */
export function normalisePath(target: string): ByteText | undefined {
  const path = target.split(/[?#]/u, 1)[0] ?? ''
  const decoded = decodeOnce(path)
  if (decoded.includes('\0')) return undefined
  // A backslash and the encoded separators are separators to some servers. No dot may stand between such.
  if (/[\\]|%2f|%5c/iu.test(decoded) && hasDotSegment(decoded.split(/[/\\]|%2f|%5c/iu))) return undefined
  return removeDots(decoded.split('/'))
}

/** A rule's path, given as text, in the same form. */
export function rulePath(value: string): ByteText {
  const bytes = new TextEncoder().encode(value)
  return Array.from(bytes, (byte) => String.fromCharCode(byte)).join('')
}

function decodeOnce(path: string): ByteText {
  return path.replace(/%([0-9a-f]{2})/giu, (escape: string, digits: string) => {
    const byte = Number.parseInt(digits, 16)
    return byte === 0x2f || byte === 0x5c ? escape : String.fromCharCode(byte)
  })
}

const hasDotSegment = (segments: readonly string[]): boolean =>
  segments.some((segment) => segment === '.' || segment === '..')

function removeDots(segments: readonly string[]): ByteText | undefined {
  const kept: string[] = []
  for (const segment of segments) {
    if (segment === '..') {
      if (kept.pop() === undefined) return undefined
    } else if (segment !== '' && segment !== '.') kept.push(segment)
  }
  const last = segments.at(-1)
  const isFolder = kept.length > 0 && (last === '' || last === '.' || last === '..')
  return `/${kept.join('/')}${isFolder ? '/' : ''}`
}

/** At a segment's border: `/api` holds for `/api` and `/api/x`, not for `/apix`; `/api/` only for what is below it. */
export function isBelow(path: ByteText, prefix: ByteText): boolean {
  if (!path.startsWith(prefix)) return false
  return prefix.endsWith('/') || path.length === prefix.length || path[prefix.length] === '/'
}
