/** Connections as engines list them, made portable: for those that are asked by listings what they have. */
import { addressBytes } from '../lvs/address.ts'
import { invalidPort } from '../lvs/persistence.ts'
import { type PortableConnection, portedServerPorts, portedServices } from '../lvs/portable-connection.ts'
import { realServerKey, type Service, serviceKey } from '../lvs/service.ts'
import { isToldState } from '../lvs/telling.ts'
import type { Connection, ServiceSnapshot } from './engine.ts'

/** The table that the connections are of, by service and server. */
export type ListedTable = {
  readonly services: ReadonlyMap<string, ServiceSnapshot>
  /** Of firewall marks: a listing does not say by which one a connection came. */
  readonly marked: readonly ServiceSnapshot[]
}

export function listedTable(snapshots: readonly ServiceSnapshot[]): ListedTable {
  return {
    services: new Map(snapshots.map((one) => [serviceKey(one.service.id), one])),
    marked: snapshots.filter(({ service: { id } }) => id.kind === 'fwmark'),
  }
}

/** As another director can go on with it. Nothing of those that have only begun, and of templates that lead nowhere. */
export function portableListing(listed: Connection, table: ListedTable): PortableConnection | undefined {
  const { protocol, client, service, server, state, expiresSeconds, persistenceData } = listed
  const isTemplate = protocol === 'ip' || (client.port === 0 && (state === 'NONE' || state === 'ASSURED'))
  if (isTemplate ? service.port === invalidPort : !isToldState(protocol, state)) return undefined
  const kind = isTemplate ? 'template' : 'connection'
  const guess: PortableConnection = {
    kind,
    protocol,
    client,
    service,
    server,
    mark: protocol === 'ip' ? markOf(service.address) : 0,
    forwarding: 'masq',
    isInputOnly: false,
    state,
    timeoutSeconds: Math.max(expiresSeconds, 1),
    ...(persistenceData === undefined ? {} : { persistenceData }),
  }
  const found = placeOf(guess, table)
  if (found === undefined) return guess
  const { forwarding, mark, seconds } = found
  const timeoutSeconds = isTemplate ? (seconds ?? guess.timeoutSeconds) : guess.timeoutSeconds
  return { ...guess, mark, forwarding, isInputOnly: forwarding !== 'masq', timeoutSeconds }
}

type Place = Pick<PortableConnection, 'forwarding' | 'mark'> & { readonly seconds: number | undefined }

function placeOf(connection: PortableConnection, { services, marked }: ListedTable): Place | undefined {
  for (const id of portedServices(connection)) {
    const found = placeIn(services.get(serviceKey(id)), connection)
    if (found !== undefined) return found
  }
  if (connection.protocol === 'ip') return undefined
  for (const snapshot of marked) {
    const found = placeIn(snapshot, connection)
    if (found !== undefined) return found
  }
  return undefined
}

function placeIn(
  snapshot: ServiceSnapshot | undefined,
  { kind, ...connection }: PortableConnection,
): Place | undefined {
  const { address, port } = connection.server
  const keys = portedServerPorts({ kind, ...connection }).map((own) => realServerKey({ address, port: own }))
  const isAnyPort = kind === 'template' && port === 0
  const found = snapshot?.servers.find(
    ({ server }) => keys.includes(realServerKey(server)) || (isAnyPort && server.address === address),
  )
  if (snapshot === undefined || found === undefined) return undefined
  const { service } = snapshot
  return { forwarding: found.server.forwarding, mark: markIn(service), seconds: service.persistence?.timeoutSeconds }
}

function markIn({ id }: Service): number {
  return id.kind === 'fwmark' ? id.mark : 0
}

/** Templates of marks show it where an address has its first 32 bits. */
function markOf(address: string): number {
  const bytes = addressBytes(address)
  return new DataView(bytes.buffer, bytes.byteOffset).getUint32(0)
}
