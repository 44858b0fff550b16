/** The program's connections and templates as other directors can go on with them. */
import { tcpStates } from '../../lvs/connection-state.ts'
import type { PortableConnection } from '../../lvs/portable-connection.ts'
import type { Endpoint, Family, Forwarding } from '../../lvs/service.ts'
import { addressAt, familyAt } from './encode.ts'
import { forwardings, layouts, protocols, templateFlags } from './layout.ts'
import type { ServerSlots } from './servers.ts'

/** What packets of its service are marked with, by the service's slot. */
export type Marks = ReadonlyMap<number, number>

const key = layouts.flow_key.at
const inputOnly = 1 << 10
const forwardingNames: readonly Forwarding[] = ['masq', 'local', 'tunnel', 'direct']

/** `keys`, `values`: of a page of flows, with the entry at these bytes. `nowNs`: CLOCK_MONOTONIC, a number for speed. */
export function portableConnection(
  [keys, keyAt]: readonly [Buffer, number],
  [values, at]: readonly [Buffer, number],
  around: { readonly servers: ServerSlots; readonly marks: Marks; readonly nowNs: number },
): PortableConnection {
  const { word, forwarding, server, expires, other } = layouts.flow.at
  const family = familyAt(keys, keyAt + key.family)
  const isUdp = keys[keyAt + key.protocol] === protocols.udp
  return {
    kind: 'connection',
    protocol: isUdp ? 'udp' : 'tcp',
    client: endpointAt(keys, keyAt + key.source, keyAt + key.source_port, family),
    service: endpointAt(keys, keyAt + key.destination, keyAt + key.destination_port, family),
    server: endpointAt(
      values,
      at + other + key.source,
      at + other + key.source_port,
      familyAt(values, at + other + key.family),
    ),
    mark: around.marks.get(around.servers.service(values.readUInt32LE(at + server))) ?? 0,
    forwarding: forwardingNames[values[at + forwarding] ?? forwardings.FORWARD_MASQ] ?? 'masq',
    isInputOnly: (values.readUInt32LE(at + word) & inputOnly) !== 0,
    state: isUdp ? 'UDP' : (tcpStates[values[at + word] ?? 0] ?? 'NONE'),
    timeoutSeconds: Math.max(Math.ceil((nanosecondsAt(values, at + expires) - around.nowNs) / 1e9), 1),
  }
}

/** Its whole time, as each new connection under it begins that anew. Nothing of one that leads nowhere any more. */
export function portableTemplate(
  [values, at]: readonly [Buffer, number],
  { servers, marks }: { readonly servers: ServerSlots; readonly marks: Marks },
): PortableConnection | undefined {
  const { word, timeout, server, server_port: serverPort, name } = layouts.template.at
  const flags = values[at + word] ?? 0
  if ((flags & templateFlags.nameless) !== 0) return undefined
  const slot = values.readUInt32LE(at + server)
  const family = familyAt(values, at + name + key.family)
  const protocol = values[at + name + key.protocol]
  const { address, forwarding } = servers.read(slot).server
  return {
    kind: 'template',
    protocol: protocol === protocols.any ? 'ip' : protocol === protocols.udp ? 'udp' : 'tcp',
    client: endpointAt(values, at + name + key.source, at + name + key.source_port, family),
    service: endpointAt(values, at + name + key.destination, at + name + key.destination_port, family),
    server: { address, port: values.readUInt16BE(at + serverPort) },
    mark: marks.get(servers.service(slot)) ?? 0,
    forwarding,
    isInputOnly: forwarding !== 'masq',
    state: (flags & templateFlags.assured) !== 0 ? 'ASSURED' : 'NONE',
    timeoutSeconds: Math.ceil(nanosecondsAt(values, at + timeout) / 1e9),
  }
}

/** Exact to some 100 ns. */
export function nanosecondsAt(bytes: Buffer, at: number): number {
  return bytes.readUInt32LE(at + 4) * 2 ** 32 + bytes.readUInt32LE(at)
}

function endpointAt(bytes: Buffer, address: number, port: number, family: Family): Endpoint {
  return { address: addressAt(bytes, address, family), port: bytes.readUInt16BE(port) }
}
