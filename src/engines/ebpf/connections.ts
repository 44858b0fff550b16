/**
 * The connections and persistence templates of the program, page by page and beside the event loop: a million of them need
 * no million objects at once.
 */
import { tcpStates } from '../../lvs/connection-state.ts'
import { invalidPort } from '../../lvs/persistence.ts'
import type { Endpoint, Family, Protocol } from '../../lvs/service.ts'
import { MapWalk } from '../../os/bpf-walk.ts'
import type { Connection } from '../engine.ts'
import { addressAt, familyAt } from './encode.ts'
import { flowKinds, layouts, protocols, templateFlags } from './layout.ts'
import type { Maps } from './maps.ts'
import type { ServerSlots } from './servers.ts'

const pageEntries = 1024
const key = layouts.flow_key.at

/** Those that stand now, templates last. */
export async function* listConnections(maps: Maps, servers: ServerSlots): AsyncIterable<Connection> {
  const { expires, kind } = layouts.flow.at
  for await (const [bytes, flow] of entries(maps.flows)) {
    const nowNs = process.hrtime.bigint()
    if (flow[kind] === flowKinds.FLOW_CONNECTION && flow.readBigUInt64LE(expires) > nowNs)
      yield decodeConnection(bytes, flow, nowNs)
  }
  for await (const [, template] of entries(maps.templates)) {
    const nowNs = process.hrtime.bigint()
    const isHeld = ((template.readBigUInt64LE(layouts.template.at.word) >> 8n) & 0xffff_ffffn) > 0n
    // One that is held is put off when its time is up.
    if (isHeld || template.readBigUInt64LE(layouts.template.at.expires) > nowNs)
      yield decodeTemplate(template, servers, nowNs)
  }
}

async function* entries(map: Maps['flows']): AsyncIterable<readonly [Buffer, Buffer]> {
  const { keyBytes, valueBytes } = map.info
  const walk = new MapWalk(map, pageEntries)
  let from: Uint8Array | undefined
  do {
    const page = await walk.page(from)
    for (let index = 0; index < page.count; index++)
      yield [
        page.keys.subarray(index * keyBytes, (index + 1) * keyBytes),
        page.values.subarray(index * valueBytes, (index + 1) * valueBytes),
      ]
    from = page.next
  } while (from !== undefined)
}

/** `nowNs` is CLOCK_MONOTONIC. */
function decodeConnection(bytes: Buffer, flow: Buffer, nowNs: bigint): Connection {
  const { word, expires, other } = layouts.flow.at
  const family = familyAt(bytes, key.family)
  const protocol = protocolAt(bytes, key.protocol)
  return {
    protocol,
    client: endpointAt(bytes, key.source, key.source_port, family),
    service: endpointAt(bytes, key.destination, key.destination_port, family),
    server: endpointAt(flow, other + key.source, other + key.source_port, familyAt(flow, other + key.family)),
    state: protocol === 'udp' ? 'UDP' : (tcpStates[flow[word] ?? 0] ?? 'NONE'),
    expiresSeconds: secondsUntil(flow.readBigUInt64LE(expires), nowNs),
  }
}

/** One that leads nowhere any more is shown with ports that nobody has. */
function decodeTemplate(template: Buffer, servers: ServerSlots, nowNs: bigint): Connection {
  const { word, expires, server, server_port: serverPort, name } = layouts.template.at
  const flags = template[word] ?? 0
  const isNameless = (flags & templateFlags.nameless) !== 0
  const family = familyAt(template, name + key.family)
  const protocol = template[name + key.protocol]
  const service = endpointAt(template, name + key.destination, name + key.destination_port, family)
  const { address } = servers.read(template.readUInt32LE(server)).server
  const port = template.readUInt16BE(serverPort)
  return {
    protocol: protocol === protocols.any ? 'ip' : protocolAt(template, name + key.protocol),
    client: endpointAt(template, name + key.source, name + key.source_port, family),
    service: isNameless ? { ...service, port: invalidPort } : service,
    server: { address, port: isNameless ? invalidPort : port },
    state: (flags & templateFlags.assured) !== 0 ? 'ASSURED' : 'NONE',
    expiresSeconds: secondsUntil(template.readBigUInt64LE(expires), nowNs),
  }
}

function endpointAt(bytes: Buffer, address: number, port: number, family: Family): Endpoint {
  return { address: addressAt(bytes, address, family), port: bytes.readUInt16BE(port) }
}

function protocolAt(bytes: Buffer, at: number): Protocol {
  return bytes[at] === protocols.udp ? 'udp' : 'tcp'
}

function secondsUntil(expires: bigint, nowNs: bigint): number {
  return expires > nowNs ? Number((expires - nowNs) / 1_000_000_000n) : 0
}
