/**
 * The first message of a TLS client (RFC 8446 §4.1.2), read as far as the name that it asks for (RFC 6066 §3).
 *
 *   record:    type 22 | version u16 | length u16 | fragment          a message may lie in several records
 *   handshake: type 1  | length u24  | body
 *   body:      version u16 | random 32 | session u8+n | ciphers u16+n | compressions u8+n | extensions u16+n
 *   extension: type u16 | length u16 | data                            server_name (0): list u16 { type u8 = 0 | name u16+n }
 */

export type ClientHello =
  | { readonly kind: 'hello'; readonly serverName: string | undefined }
  /** Nothing can be said before there are so many bytes. */
  | { readonly kind: 'more'; readonly bytes: number }
  | { readonly kind: 'invalid'; readonly reason: string }

/** Hellos of today take 0.2 to 2 KiB; one with many post-quantum shares stays below this. */
export const maximalHelloBytes = 16 * 1024 + 4
/** Of a message cut into ever smaller pieces only so many are put together. */
const maximalRecords = 64
const recordHeaderBytes = 5
const handshakeHeaderBytes = 4
const maximalFragmentBytes = 16 * 1024

const invalid = (reason: string): ClientHello => ({ kind: 'invalid', reason })

/** `bytes`: all that has come so far. Never throws. */
export function readClientHello(bytes: Uint8Array): ClientHello {
  const fragments: Uint8Array[] = []
  let held = 0
  let wanted: number | undefined
  for (let at = 0; ; ) {
    if (fragments.length === maximalRecords) return invalid('a ClientHello in too many records')
    // A wrong first byte is told at once: who speaks another protocol may wait for an answer.
    if (at < bytes.length && bytes[at] !== 22) return invalid('no TLS handshake record')
    if (at + 1 < bytes.length && bytes[at + 1] !== 3) return invalid('no version of TLS')
    if (bytes.length < at + recordHeaderBytes) return { kind: 'more', bytes: at + recordHeaderBytes }
    const length = u16(bytes, at + 3)
    if (length === 0 || length > maximalFragmentBytes) return invalid(`a record of ${length} bytes`)
    const end = at + recordHeaderBytes + length
    const fragment = bytes.subarray(at + recordHeaderBytes, Math.min(end, bytes.length))
    fragments.push(fragment)
    held += fragment.length
    if (wanted === undefined && held >= handshakeHeaderBytes) {
      const header = joined(fragments, held)
      if (header[0] !== 1) return invalid('the first message is no ClientHello')
      wanted = handshakeHeaderBytes + ((header[1] ?? 0) << 16) + u16(header, 2)
      if (wanted > maximalHelloBytes) return invalid(`a ClientHello of ${wanted} bytes`)
    }
    if (wanted !== undefined && held >= wanted)
      return readBody(joined(fragments, held).subarray(handshakeHeaderBytes, wanted))
    if (bytes.length < end) {
      const missing = wanted === undefined ? length : Math.min(length, fragment.length + wanted - held)
      return { kind: 'more', bytes: at + recordHeaderBytes + missing }
    }
    at = end
  }
}

function readBody(body: Uint8Array): ClientHello {
  let at = 2 + 32
  at += 1 + (body[at] ?? 0)
  at += 2 + u16(body, at)
  at += 1 + (body[at] ?? 0)
  if (at > body.length) return invalid('a cut ClientHello')
  // Before extensions there was nothing behind.
  if (at === body.length) return { kind: 'hello', serverName: undefined }
  const end = at + 2 + u16(body, at)
  if (at + 2 > body.length || end !== body.length) return invalid('extensions of another length')
  let serverName: string | undefined
  for (at += 2; at < end; ) {
    const next = at + 4 + u16(body, at + 2)
    if (at + 4 > end || next > end) return invalid('a cut extension')
    if (u16(body, at) === 0) {
      if (serverName !== undefined) return invalid('two server names')
      serverName = readServerName(body.subarray(at + 4, next))
      if (serverName === undefined) return invalid('no server name where one is said to be')
    }
    at = next
  }
  return { kind: 'hello', serverName }
}

/** In lower case, without a final dot; undefined when it is none. */
function readServerName(data: Uint8Array): string | undefined {
  if (data.length < 5 || u16(data, 0) !== data.length - 2 || data[2] !== 0) return undefined
  const length = u16(data, 3)
  // RFC 6066 §3: one name of a type; host_name is the only type there is.
  if (length === 0 || length > 255 || length !== data.length - 5) return undefined
  const name = String.fromCharCode(...data.subarray(5))
  return /^[\w.-]+$/u.test(name) ? name.toLowerCase().replace(/\.$/u, '') : undefined
}

const u16 = (bytes: Uint8Array, at: number): number => ((bytes[at] ?? 0) << 8) | (bytes[at + 1] ?? 0)

function joined(fragments: readonly Uint8Array[], length: number): Uint8Array {
  const [only] = fragments
  if (fragments.length === 1 && only !== undefined) return only
  const all = new Uint8Array(length)
  let at = 0
  for (const fragment of fragments) {
    all.set(fragment, at)
    at += fragment.length
  }
  return all
}

/** RFC 8446 §6.2. */
export const alerts = {
  unexpectedMessage: 10,
  handshakeFailure: 40,
  decodeError: 50,
  internalError: 80,
  unrecognizedName: 112,
} as const

/** A fatal alert, in a record of the version that every client reads. */
export function encodeFatalAlert(description: number): Uint8Array {
  return Uint8Array.of(21, 3, 3, 0, 2, 2, description)
}
