/** The persistence engine sip: clients are told apart by the Call-ID of their messages. Reads as the kernel does (nf_conntrack_sip.c, ip_vs_pe_sip.c). */

const longest = 255
/** RFC 3261 §25.1, `word`. */
const word = /[A-Za-z0-9\-.!%*_+`'~()<>:\\"/[\]?{}]*/y
/** A line that begins with the header's name or its compact form (RFC 3261 §7.3.3). The start line is none. */
const headerName = /(?:\r\n|\r|\n)(?:call-id|i(?![a-z]))/gi
/** A value may go on in the next line when that begins with white space (RFC 3261 §7.3.1). */
const colon = / *(?:(?:\r\n|\r|\n)[ \t]+)?: *(?:(?:\r\n|\r|\n)[ \t]+)?/y

/**
 * The Call-ID of a SIP message in a UDP datagram, one character per byte; undefined where there is none that is usable:
 * empty, longer than 255 bytes, or not followed by the end of its line. The first header of that name decides.
 */
export function callIdOf(payload: Uint8Array): string | undefined {
  const text = latin1(payload)
  headerName.lastIndex = 0
  if (headerName.exec(text) === null) return undefined
  colon.lastIndex = headerName.lastIndex
  if (colon.exec(text) === null) return undefined
  const start = colon.lastIndex
  const end = callIdEnd(text, start)
  const isLineEnd = text[end] === '\r' || text[end] === '\n'
  return isLineEnd && end > start && end - start <= longest ? text.slice(start, end) : undefined
}

/** `word` or `word@word`; `start` when it is neither. */
function callIdEnd(text: string, start: number): number {
  const local = wordEnd(text, start)
  if (local === start || text[local] !== '@') return local
  const domain = wordEnd(text, local + 1)
  return domain === local + 1 ? start : domain
}

function wordEnd(text: string, start: number): number {
  word.lastIndex = start
  word.exec(text)
  return Math.max(word.lastIndex, start)
}

/** Byte for character: what follows the headers may be anything. */
function latin1(bytes: Uint8Array): string {
  let text = ''
  for (let at = 0; at < bytes.length; at += 4096) text += String.fromCharCode(...bytes.subarray(at, at + 4096))
  return text
}
