/** What `ipvsadm -Lc` prints. Pure. */
import type { Connection } from '../../engines/engine.ts'
import type { ListFormat } from '../../formats/ipvsadm/command.ts'
import { endpointText, type Namer } from '../../formats/ipvsadm/text.ts'

export function connectionsTitle({ persistenceData }: ListFormat): string[] {
  const names = 'pro expire state       source             virtual            destination'
  return ['IPVS connection entries', persistenceData ? `${names}        pe name          pe_data` : names]
}

export function connectionLine(connection: Connection, { persistenceData }: ListFormat, namer: Namer): string {
  const { protocol, client, service, server, state, expiresSeconds } = connection
  // Templates of a firewall mark belong to no protocol: their ports have no names.
  const text = (endpoint: Connection['client']): string =>
    endpointText(endpoint, protocol === 'ip' ? undefined : protocol, namer)
  const columns = [
    protocol.toUpperCase().padEnd(3),
    expiry(expiresSeconds).padEnd(6),
    state.padEnd(11),
    text(client).padEnd(18),
    text(service).padEnd(18),
  ]
  const destination = text(server)
  const known = persistenceData ? connection.persistenceData : undefined
  if (known === undefined) return [...columns, destination].join(' ')
  return [...columns, destination.padEnd(16), known.engine.padEnd(18), known.data].join(' ')
}

/** Minutes and seconds; minutes may exceed 99. */
function expiry(seconds: number): string {
  const whole = Math.floor(seconds)
  return `${String(Math.floor(whole / 60)).padStart(2, '0')}:${String(whole % 60).padStart(2, '0')}`
}
