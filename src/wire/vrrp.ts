/**
 * VRRP advertisements: version 2 (RFC 3768; its passwords RFC 2338 §5.3.6) and version 3 (RFC 5798, RFC 9568).
 *
 * ```
 *  0 version, type (4 bits each)  1 virtual router id  2 priority  3 number of addresses
 *  v2: 4 kind of authentication  5 interval in seconds                6 checksum  8 addresses …  8 bytes of authentication
 *  v3: 4 interval in hundredths of a second, 12 bits (4 reserved)     6 checksum  8 addresses …
 * ```
 */
import { addressBytes, addressFromBytes } from '../lvs/address.ts'
import { type Family, familyOf } from '../lvs/service.ts'
import { internetChecksum } from './checksum.ts'
import { addressLength, pseudoHeader } from './ip.ts'
import { joined } from './joined.ts'
import { WireError } from './wire-error.ts'

/** The IP protocol. */
export const VRRP = 112
/** The IP protocol of IPsec's authentication header (RFC 4302), into which routers of RFC 2338 can put theirs. */
export const AH = 51
/** Where advertisements go unless a router says otherwise. */
export const vrrpGroups = { ipv4: '224.0.0.18', ipv6: 'ff02::12' } as const

export type VrrpAuthentication =
  | { readonly kind: 'none' }
  | { readonly kind: 'password'; readonly password: string }
  /** RFC 2338 §5.3.6.2: the number that stands for IPsec's authentication header; or one that nobody has given a meaning. */
  | { readonly kind: 'other'; readonly number: number }

type Common = {
  readonly id: number
  /** 255: it owns the addresses; 0: it is no master any more. */
  readonly priority: number
  readonly addresses: readonly string[]
}

export type VrrpPacket =
  | (Common & { readonly version: 2; readonly intervalMs: number; readonly authentication: VrrpAuthentication })
  | (Common & { readonly version: 3; readonly intervalMs: number })

/** What an IPv4 checksum of version 3 takes in: RFC 5798's reading the pseudo header, too; RFC 9568's the packet only. */
export type ChecksumReading = 'rfc5798' | 'rfc9568'

const advertisement = 1
const headerBytes = 8
const passwordBytes = 8
const authenticationKinds = { none: 0, password: 1, header: 2 } as const

/** What an interval may be on the wire, in milliseconds. */
export const wireIntervals = {
  2: { least: 1000, most: 255_000, step: 1000 },
  3: { least: 10, most: 40_950, step: 10 },
} as const

/**
 * The advertisement behind an authentication header, in which nobody here believes: one that does not call for that header
 * itself must not come in on this way. undefined: it is none.
 */
export function behindAuthenticationHeader(payload: Uint8Array): Uint8Array | undefined {
  const [next, words = 0] = payload
  const inner = payload.subarray((words + 2) * 4)
  const [version = 0, , , , kind] = inner
  return next === VRRP && version >> 4 === 2 && kind === authenticationKinds.header ? inner : undefined
}

/** `source` and `destination` are those of the packet that it travels in. @throws WireError when it cannot be said. */
export function encodeVrrp(
  packet: VrrpPacket,
  source: string,
  destination: string,
  reading: ChecksumReading = 'rfc5798',
): Uint8Array {
  const { version, id, priority, addresses, intervalMs } = packet
  if (addresses.length > 255) throw new WireError(3, 'at most 255 addresses')
  if (addresses.some((address) => familyOf(address) !== familyOf(source)))
    throw new WireError(headerBytes, "addresses of the sender's family")
  const header = new Uint8Array(headerBytes)
  const view = new DataView(header.buffer)
  header.set([(version << 4) | advertisement, id, priority, addresses.length])
  const { least, most, step } = wireIntervals[version]
  if (intervalMs < least || intervalMs > most || intervalMs % step !== 0)
    throw new WireError(4, `an interval of ${least}..${most} ms in steps of ${step} ms`)
  if (version === 2) header.set([kindNumber(packet.authentication), intervalMs / 1000], 4)
  else view.setUint16(4, intervalMs / 10)
  const end = version === 2 ? passwordField(packet.authentication) : new Uint8Array()
  const bytes = joined([header, ...addresses.map(addressBytes), end])
  new DataView(bytes.buffer).setUint16(6, internetChecksum(...covered(bytes, version, source, destination, reading)))
  return bytes
}

/**
 * What it says, whether or not it is true: the checksum is looked at by `vrrpChecksum`. @throws WireError when it is no
 * advertisement of a version that is known, or not of the length that it names.
 */
export function decodeVrrp(bytes: Uint8Array, family: Family): VrrpPacket {
  if (bytes.length < headerBytes) throw new WireError(0, `${headerBytes} bytes at least, not ${bytes.length}`)
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  const [version, type] = [view.getUint8(0) >> 4, view.getUint8(0) & 15]
  if (version !== 2 && version !== 3) throw new WireError(0, `version 2 or 3, not ${version}`)
  if (version === 2 && family === 'ipv6') throw new WireError(0, 'version 3 over IPv6')
  if (type !== advertisement) throw new WireError(0, `an advertisement (type 1), not type ${type}`)
  const [count, each] = [view.getUint8(3), addressLength(family)]
  const addressesEnd = headerBytes + count * each
  const length = addressesEnd + (version === 2 ? passwordBytes : 0)
  if (bytes.length !== length) throw new WireError(3, `${length} bytes for ${count} addresses, not ${bytes.length}`)
  const common = {
    id: view.getUint8(1),
    priority: view.getUint8(2),
    addresses: Array.from({ length: count }, (_, index) => {
      const at = headerBytes + index * each
      return addressFromBytes(bytes.subarray(at), family)
    }),
  }
  if (version === 3) return { version, ...common, intervalMs: 10 * (view.getUint16(4) & 0xfff) }
  const authentication = decodeAuthentication(view.getUint8(4), bytes.subarray(addressesEnd))
  return { version, ...common, intervalMs: 1000 * view.getUint8(5), authentication }
}

/** Which reading its checksum fits, RFC 5798's first; undefined: none. Where there is only one reading, it is called RFC 5798's. */
export function vrrpChecksum(bytes: Uint8Array, source: string, destination: string): ChecksumReading | undefined {
  if (bytes.length < headerBytes) return undefined
  const version = (bytes[0] ?? 0) >> 4
  const isRight = (reading: ChecksumReading): boolean =>
    internetChecksum(...covered(bytes, version, source, destination, reading)) === 0
  if (isRight('rfc5798')) return 'rfc5798'
  return isRight('rfc9568') ? 'rfc9568' : undefined
}

/** What the checksum is over. */
function covered(
  bytes: Uint8Array,
  version: number,
  source: string,
  destination: string,
  reading: ChecksumReading,
): readonly Uint8Array[] {
  const isPlain = version === 2 || (familyOf(source) === 'ipv4' && reading === 'rfc9568')
  return isPlain ? [bytes] : [pseudoHeader(source, destination, VRRP, bytes.length), bytes]
}

function kindNumber(authentication: VrrpAuthentication): number {
  return authentication.kind === 'other' ? authentication.number : authenticationKinds[authentication.kind]
}

/** Always there; zeros where there is no password. */
function passwordField(authentication: VrrpAuthentication): Uint8Array {
  const field = new Uint8Array(passwordBytes)
  if (authentication.kind !== 'password') return field
  const { password } = authentication
  const codes = Array.from(password, (letter) => letter.codePointAt(0) ?? 0)
  if (codes.length > passwordBytes || codes.some((code) => code === 0 || code > 255))
    throw new WireError(0, `a password of at most ${passwordBytes} letters of one byte`)
  field.set(codes)
  return field
}

function decodeAuthentication(kind: number, field: Uint8Array): VrrpAuthentication {
  if (kind === authenticationKinds.none) return { kind: 'none' }
  if (kind !== authenticationKinds.password) return { kind: 'other', number: kind }
  const end = field.indexOf(0)
  // A byte for a character, whatever it is: any password can be compared and sent again.
  return { kind: 'password', password: String.fromCharCode(...(end < 0 ? field : field.subarray(0, end))) }
}
