/** Connections of the in-memory IPVS that other directors are told of, and those that are taken from them (ip_vs_sync.c). */
import { InfraError } from '../../errors.ts'
import { isActiveState } from '../../lvs/connection-state.ts'
import { type PortableConnection, portedServerPorts, portedServices } from '../../lvs/portable-connection.ts'
import { realServerKey, serviceKey } from '../../lvs/service.ts'
import { defaultTellingRules, isToldState, type TellingRules, telling } from '../../lvs/telling.ts'
import { ChangeQueue } from '../change-queue.ts'
import type { TakenConnections } from '../engine.ts'
import type { Connections, Entry } from './connections.ts'
import type { InstalledServer, Services } from './services.ts'

/** As another director can go on with it; undefined for what none is told of. */
export function portable(entry: Entry, nowMs: number): PortableConnection | undefined {
  const { kind, protocol, client, service, server, by, mark, callId, isInputOnly, isTemplate } = entry
  if (kind === 'one-packet' || by === 'bypass' || entry.isNameless) return undefined
  if (!isTemplate && !isToldState(protocol, entry.state)) return undefined
  return {
    kind,
    protocol,
    client,
    service,
    server,
    mark,
    forwarding: by,
    isInputOnly,
    state: isTemplate ? (entry.isAssured ? 'ASSURED' : 'NONE') : entry.state,
    timeoutSeconds: Math.ceil((isTemplate ? entry.timeoutMs : Math.max(entry.expiresAtMs - nowMs, 0)) / 1000),
    ...(callId === undefined ? {} : { persistenceData: { engine: 'sip', data: callId } }),
  }
}

/** Whoever follows what changes: one at a time. */
export class Follower {
  #queue: ChangeQueue | undefined
  #rules = defaultTellingRules

  /** @throws InfraError `busy` */
  follow(rules: TellingRules, signal: AbortSignal): ReturnType<ChangeQueue['batches']> {
    if (this.#queue?.isClosed === false)
      throw new InfraError('busy', 'the connections of the engine are followed already', { subject: 'engine' })
    this.#rules = rules
    this.#queue = new ChangeQueue()
    return this.#queue.batches(signal)
  }

  /** After a packet of its client's. */
  carried(entry: Entry, nowMs: number): void {
    if (this.#queue?.isClosed !== false) return
    this.#tell(entry, this.#queue, nowMs)
    if (entry.control === undefined) return
    if (entry.kind === 'connection') entry.control.packets += 1
    this.#tell(entry.control, this.#queue, nowMs)
  }

  close(): void {
    this.#queue?.close()
  }

  #tell(entry: Entry, queue: ChangeQueue, nowMs: number): void {
    const { kind, protocol, state, packets, timeoutMs } = entry
    if (kind === 'one-packet') return
    const subject = { kind, protocol, state, packets, timeoutMs, isControlled: entry.control !== undefined }
    const told = telling(subject, entry.told, this.#rules, nowMs)
    const connection = told && portable(entry, nowMs)
    if (told === undefined || connection === undefined) return
    entry.told = told
    queue.put(connection)
  }
}

/** What connections are put among. */
export type Taking = {
  readonly services: Services
  readonly connections: Connections
  readonly nowMs: number
}

export function takeAll(
  taking: Taking,
  list: readonly PortableConnection[],
): Pick<TakenConnections, 'taken' | 'updated' | 'waiting'> {
  const counts = { taken: 0, updated: 0, waiting: 0 }
  for (const connection of list) {
    const entry = take(taking, connection, counts)
    if (entry !== undefined && entry.on === undefined) counts.waiting += 1
  }
  return counts
}

/** undefined: what stands is newer. */
function take(
  taking: Taking,
  ported: PortableConnection,
  counts: { taken: number; updated: number },
): Entry | undefined {
  const { connections, nowMs } = taking
  let entry = standing(connections, ported)
  if (entry !== undefined && !entry.isTemplate && realServerKey(entry.server) !== realServerKey(ported.server)) {
    // It tells of the end of one that has begun anew here.
    if (ported.protocol === 'ip' || !isActiveState(ported.protocol, ported.state)) return undefined
    connections.drop(entry)
    entry = undefined
  }
  if (entry === undefined) {
    entry = open(taking, ported)
    if (entry.on !== undefined) counts.taken += 1
  } else {
    const on = entry.on ?? findServer(taking.services, ported)
    if (entry.on === undefined && on !== undefined) connections.bind(entry, on)
    if (entry.on !== undefined) counts.updated += 1
  }
  if (entry.isTemplate) entry.isAssured = ported.state === 'ASSURED'
  else connections.become(entry, ported.state)
  entry.timeoutMs = ported.timeoutSeconds * 1000
  connections.restart(entry, nowMs)
  return entry
}

function open({ services, connections }: Taking, ported: PortableConnection): Entry {
  const { kind, protocol, client, service, server, mark, persistenceData } = ported
  const on = findServer(services, ported)
  const parts = { kind, protocol, client, service, server, mark, on, callId: persistenceData?.data }
  return connections.open({ ...parts, by: on?.server.forwarding ?? ported.forwarding })
}

function standing(connections: Connections, ported: PortableConnection): Entry | undefined {
  const { kind, protocol, client, service, persistenceData } = ported
  if (kind === 'template' || protocol === 'ip')
    return connections.findTemplate({ protocol, client: client.address, service }, persistenceData?.data)
  return connections.find(protocol, client, service)
}

function findServer(services: Services, ported: PortableConnection): InstalledServer | undefined {
  for (const id of portedServices(ported)) {
    const service = services.byKey.get(serviceKey(id))
    if (service === undefined) continue
    for (const port of portedServerPorts(ported)) {
      const server = service.byKey.get(realServerKey({ address: ported.server.address, port }))
      if (server !== undefined) return server
    }
    if (ported.kind === 'template' && ported.server.port === 0)
      return service.servers.find(({ server }) => server.address === ported.server.address)
    return undefined
  }
  return undefined
}
