/** The PROXY protocol's header (haproxy.org proxy-protocol.txt, sections 2.1 and 2.2): tells a server who the client is. */
import type { Endpoint } from '../lvs/service.ts'
import { addressWords } from './records.ts'

const signature = [0x0d, 0x0a, 0x0d, 0x0a, 0x00, 0x0d, 0x0a, 0x51, 0x55, 0x49, 0x54, 0x0a]
const version2Proxy = 0x21
const unspecified = 0x00
const tcpOver = { ipv4: 0x11, ipv6: 0x21 } as const

/**
 * For a TCP connection from `source` to `destination`. Ends of two families, as when the client is gone already, give
 * the header that says nothing about them.
 */
export function encodeProxyHeader(version: 'v1' | 'v2', source: Endpoint, destination: Endpoint): Uint8Array {
  const family = source.address.includes(':') ? 'ipv6' : 'ipv4'
  const isKnown = destination.address.includes(':') === (family === 'ipv6')
  if (!isKnown) {
    if (version === 'v1') return new TextEncoder().encode('PROXY UNKNOWN\r\n')
    return Uint8Array.from([...signature, version2Proxy, unspecified, 0, 0])
  }
  if (version === 'v1') {
    const name = family === 'ipv6' ? 'TCP6' : 'TCP4'
    const line = `PROXY ${name} ${source.address} ${destination.address} ${source.port} ${destination.port}\r\n`
    return new TextEncoder().encode(line)
  }
  const addressBytes = family === 'ipv6' ? 16 : 4
  const header = new Uint8Array(16 + 2 * addressBytes + 4)
  const view = new DataView(header.buffer)
  header.set(signature)
  view.setUint8(12, version2Proxy)
  view.setUint8(13, tcpOver[family])
  view.setUint16(14, 2 * addressBytes + 4)
  writeAddress(view, 16, source.address)
  writeAddress(view, 16 + addressBytes, destination.address)
  view.setUint16(16 + 2 * addressBytes, source.port)
  view.setUint16(18 + 2 * addressBytes, destination.port)
  return header
}

function writeAddress(view: DataView, at: number, address: string): void {
  const words = addressWords(address) ?? []
  for (let index = 0; index < words.length; index++) view.setUint32(at + 4 * index, words[index] ?? 0)
}
