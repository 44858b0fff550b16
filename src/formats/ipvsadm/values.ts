/** Values of ipvsadm's options as text: numbers as strtol(3), addresses as inet_aton(3), services as host[:port]. */
import { parseAddress } from '../../lvs/address.ts'
import type { Family, Protocol } from '../../lvs/service.ts'

/** What hosts(5), DNS and services(5) know. `host` gives IPv4 only, as gethostbyname(3). */
export type Names = {
  host(name: string): string | undefined
  port(name: string, protocol: Protocol): number | undefined
}

/** A whole decimal number as strtol reads it: white space and a sign may stand before it, nothing after it. */
export function wholeNumber(text: string, least: number, most: number): number | undefined {
  if (!/^[ \t\n\v\f\r]*[+-]?[0-9]+$/.test(text)) return undefined
  const number = Number(text)
  return number >= least && number <= most ? number + 0 : undefined
}

/** As atoi(3): what follows the digits does not matter; 0 when there are none. */
export function leadingNumber(text: string): number {
  const digits = /^[ \t\n\v\f\r]*[+-]?[0-9]+/.exec(text)
  return digits === null ? 0 : Number(digits[0])
}

/** inet_aton(3): one to four numbers, each decimal, octal (0…) or hexadecimal (0x…), the last one filling what is left. */
export function inetAton(text: string): string | undefined {
  // White space ends the address; what follows it is not looked at.
  const [address = ''] = text.split(/[ \t\n\v\f\r]/, 1)
  const parts = address.split('.')
  if (parts.length > 4) return undefined
  let bits = 0
  for (const [index, part] of parts.entries()) {
    const number = cNumber(part)
    const isLast = index === parts.length - 1
    if (number === undefined || number >= (isLast ? 256 ** (4 - index) : 256)) return undefined
    bits += isLast ? number : number * 256 ** (3 - index)
  }
  return [24, 16, 8, 0].map((shift) => Math.floor(bits / 2 ** shift) % 256).join('.')
}

function cNumber(text: string): number | undefined {
  if (/^0[xX][0-9a-fA-F]+$/.test(text)) return Number.parseInt(text.slice(2), 16)
  if (/^0[0-7]*$/.test(text)) return Number.parseInt(text, 8)
  return /^[1-9][0-9]*$/.test(text) ? Number(text) : undefined
}

/** An IPv4 address or mask, or the name of a host. */
export function hostAddress(text: string, names: Names): string | undefined {
  return inetAton(text) ?? names.host(text)
}

/** `port` is undefined where none was written. */
export type WrittenEndpoint = { readonly family: Family; readonly address: string; readonly port?: number }

/**
 * `host[:port]`, split at the last colon; a whole IPv6 address has no port, `[v6]:port` must have one. Whatever else stands
 * in brackets is read as if it stood alone, and what follows them is not.
 */
export function writtenEndpoint(
  text: string,
  protocol: Protocol | undefined,
  names: Names,
): WrittenEndpoint | undefined {
  if (/^[0-9]*$/.test(text)) return undefined
  let host = text
  let portText: string | undefined
  if (text.startsWith('[')) {
    const end = text.indexOf(']')
    if (end < 0 || text.charAt(end + 1) !== ':') return undefined
    host = text.slice(1, end)
    portText = text.slice(end + 2)
  }
  const address6 = host.includes(':') ? parseAddress(host) : undefined
  if (address6 !== undefined) return withPort({ family: 'ipv6', address: address6 }, portText, protocol, names)
  const colon = host.lastIndexOf(':')
  const address = hostAddress(colon < 0 ? host : host.slice(0, colon), names)
  if (address === undefined) return undefined
  return withPort({ family: 'ipv4', address }, colon < 0 ? undefined : host.slice(colon + 1), protocol, names)
}

function withPort(
  host: WrittenEndpoint,
  text: string | undefined,
  protocol: Protocol | undefined,
  names: Names,
): WrittenEndpoint | undefined {
  if (text === undefined) return host
  const port = wholeNumber(text, 0, 65_535) ?? (protocol === undefined ? undefined : names.port(text, protocol))
  return port === undefined ? undefined : { ...host, port }
}
