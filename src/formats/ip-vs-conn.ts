/** Lines of /proc/net/ip_vs_conn (Linux, net/netfilter/ipvs/ip_vs_conn.c, ip_vs_conn_seq_show). Pure. */
import type { Connection } from '../engines/engine.ts'
import { addressText, parseAddress } from '../lvs/address.ts'
import type { ConnectionState } from '../lvs/connection-state.ts'
import type { Endpoint } from '../lvs/service.ts'

const protocols: Readonly<Record<string, Connection['protocol']>> = { TCP: 'tcp', UDP: 'udp', SCTP: 'sctp', IP: 'ip' }
const ipv4 = /^[0-9A-F]{8}$/
const port = /^[0-9A-F]{4}$/

/** undefined for the header, and for what is of a protocol that Baton does not know. */
export function parseConnection(line: string): Connection | undefined {
  const words = line.trim().split(/ +/)
  const [name = '', clientAddress, clientPort, serviceAddress, servicePort, serverAddress, serverPort] = words
  const [state, expires, engine, ...data] = words.slice(7)
  const protocol = protocols[name]
  const client = endpoint(clientAddress, clientPort)
  const service = endpoint(serviceAddress, servicePort)
  const server = endpoint(serverAddress, serverPort)
  const isWhole = protocol !== undefined && client !== undefined && service !== undefined && server !== undefined
  if (!isWhole || state === undefined || !/^\d+$/.test(expires ?? '')) return undefined
  return {
    protocol,
    client,
    service,
    server,
    state: state as ConnectionState,
    expiresSeconds: Number(expires),
    // A Call-ID has no blanks in it, but nothing keeps one from coming in.
    ...(engine === undefined ? {} : { persistenceData: { engine: 'sip' as const, data: data.join(' ') } }),
  }
}

function endpoint(address = '', hexPort = ''): Endpoint | undefined {
  const text = ipv4.test(address) ? addressText(BigInt(`0x${address}`), 'ipv4') : parseAddress(address)
  return text === undefined || !port.test(hexPort) ? undefined : { address: text, port: Number.parseInt(hexPort, 16) }
}
