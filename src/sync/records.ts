/** Connections and templates as another director can go on with them ⇄ records of the synchronisation protocol. Pure. */
import { addressBytes, addressFromBytes } from '../lvs/address.ts'
import {
  type ConnectionState,
  isActiveState,
  sctpStates,
  stateTimeoutSeconds,
  tcpStates,
  templateStates,
  udpStates,
} from '../lvs/connection-state.ts'
import type { PortableConnection } from '../lvs/portable-connection.ts'
import type { Endpoint, Family, Forwarding } from '../lvs/service.ts'
import type { Timeouts } from '../lvs/settings.ts'
import { type SyncMessage, type SyncRecord, syncFlags } from '../wire/ipvs-sync.ts'

const protocolNumbers: Readonly<Record<PortableConnection['protocol'], number>> = { ip: 0, tcp: 6, udp: 17, sctp: 132 }
const protocolsByNumber = new Map(
  (Object.keys(protocolNumbers) as PortableConnection['protocol'][]).map((name) => [protocolNumbers[name], name]),
)
/** The kernel's numbers: IP_VS_CONN_F_… */
const forwardings: readonly Forwarding[] = ['masq', 'local', 'tunnel', 'direct']
/** Of a template whose sender told no time: IP_VS_SYNC_CONN_TIMEOUT. */
const templateSeconds = 180

export function recordOf(connection: PortableConnection): SyncRecord {
  const { kind, protocol, client, service, server, mark, forwarding, isInputOnly, state, persistenceData } = connection
  const isActive = kind === 'connection' && protocol !== 'ip' && isActiveState(protocol, state)
  return {
    protocol: protocolNumbers[protocol],
    flags:
      forwardings.indexOf(forwarding) |
      (isInputOnly ? syncFlags.noOutput : 0) |
      (isActive ? 0 : syncFlags.inactive) |
      (kind === 'template' ? syncFlags.template : 0),
    state: Math.max(statesOf(kind, protocol).indexOf(state), 0),
    client: addressBytes(client.address),
    service: addressBytes(service.address),
    server: addressBytes(server.address),
    clientPort: client.port,
    servicePort: service.port,
    serverPort: server.port,
    mark,
    timeout: connection.timeoutSeconds,
    ...(persistenceData === undefined
      ? {}
      : { engine: { name: persistenceData.engine, data: new TextEncoder().encode(persistenceData.data) } }),
  }
}

/** Or why it is left aside, as the kernel leaves it. `timeouts`: of this director, for what tells no time of its own. */
export function connectionOf(record: SyncRecord, timeouts: Timeouts): PortableConnection | string {
  const { flags, engine } = record
  const isTemplate = (flags & syncFlags.template) !== 0
  const kind = isTemplate ? 'template' : 'connection'
  const protocol = protocolsByNumber.get(record.protocol)
  if (protocol === undefined || (protocol === 'ip' && !isTemplate)) return `of protocol ${record.protocol}`
  const state = statesOf(kind, protocol)[record.state]
  if (state === undefined) return `in state ${record.state}, which ${protocol} has not`
  const forwarding = forwardings[flags & syncFlags.forwarding]
  if (forwarding === undefined) return `forwarded in way ${flags & syncFlags.forwarding}`
  if ((flags & syncFlags.onePacket) !== 0) return 'of one packet'
  if (isTemplate && (flags & syncFlags.noClientPort) !== 0) return 'a template without a client’s port'
  if (engine !== undefined && engine.name !== 'sip') return `of a persistence engine ${JSON.stringify(engine.name)}`
  const family = record.client.length === 16 ? 'ipv6' : 'ipv4'
  const usual = isTemplate || protocol === 'ip' ? templateSeconds : stateTimeoutSeconds(protocol, state, timeouts)
  return {
    kind,
    protocol,
    client: endOf(record.client, record.clientPort, family),
    service: endOf(record.service, record.servicePort, family),
    server: endOf(record.server, record.serverPort, family),
    mark: record.mark,
    forwarding,
    isInputOnly: (flags & syncFlags.noOutput) !== 0,
    state,
    timeoutSeconds: record.timeout === 0 ? usual : record.timeout,
    ...(engine === undefined
      ? {}
      : { persistenceData: { engine: 'sip' as const, data: new TextDecoder().decode(engine.data) } }),
  }
}

function endOf(address: Uint8Array, port: number, family: Family): Endpoint {
  return { address: addressFromBytes(address, family), port }
}

export type Received = {
  readonly connections: readonly PortableConnection[]
  /** How many records were left aside. */
  readonly refused: Readonly<Record<'malformed' | 'unknown', number>>
  /** Why the message, or some of its records, were left aside, in words. */
  readonly flaws: readonly string[]
}

/** What a backup takes of a message that is for it. */
export function received(message: SyncMessage, timeouts: Timeouts): Received {
  if (message.kind === 'refused')
    return { connections: [], refused: { malformed: 1, unknown: 0 }, flaws: [message.reason] }
  const connections: PortableConnection[] = []
  const unknown: string[] = []
  for (const record of message.records) {
    const found = connectionOf(record, timeouts)
    if (typeof found === 'string') unknown.push(found)
    else connections.push(found)
  }
  return {
    connections,
    refused: { malformed: message.flaws.length, unknown: unknown.length },
    flaws: [...message.flaws, ...unknown],
  }
}

function statesOf(
  kind: PortableConnection['kind'],
  protocol: PortableConnection['protocol'],
): readonly ConnectionState[] {
  if (kind === 'template' || protocol === 'ip') return templateStates
  if (protocol === 'tcp') return tcpStates
  return protocol === 'udp' ? udpStates : sctpStates
}
