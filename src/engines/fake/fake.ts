/** An engine in memory: it takes any table, and its connections are made by hand. To try a spec, to test, to teach. */
import type { InfraError } from '../../errors.ts'
import {
  type Endpoint,
  type Protocol,
  realServerKey,
  type ServiceId,
  schedulerNames,
  serviceKey,
} from '../../lvs/service.ts'
import { defaultSettings, sysctlNames, withSettings } from '../../lvs/settings.ts'
import { type Connection, type Engine, type EngineCapabilities, isTableChange, throwIfCancelled } from '../engine.ts'
import { Ledger, sharedLedgerMemory } from '../ledger.ts'
import type { ServerRecord, ServiceRecord } from '../records.ts'
import { throwIfRefused } from '../refusals.ts'
import { plainChange, Table } from '../table.ts'

export const fakeCapabilities: EngineCapabilities = {
  protocols: ['tcp', 'udp', 'sctp'],
  schedulers: schedulerNames,
  forwarding: ['masq', 'tunnel', 'direct', 'local'],
  fwmark: true,
  persistence: true,
  onePacket: true,
  thresholds: true,
  proxyProtocol: true,
  idleTimeout: true,
  anyPort: true,
  applications: ['http', 'sni', 'tls'],
  dns: true,
  syncDaemon: true,
  sysctls: sysctlNames,
}

/** A made-up connection. Each call after `close` does nothing. */
export type FakeConnection = {
  readonly server: Endpoint
  transfer(bytes: { readonly in: number; readonly out: number }): void
  /** One side has said goodbye: inactive from now on. */
  halfClose(): void
  close(): void
}

export type FakeEngine = Engine & {
  readonly traffic: {
    /** A new connection, placed by the service's scheduler or on a named server; undefined when none is usable. */
    connect(
      id: ServiceId,
      options?: { readonly client?: Endpoint; readonly server?: Endpoint },
    ): FakeConnection | undefined
    /** The next `apply` fails so, and changes nothing. */
    failNextApply(error: InfraError): void
  }
}

export function fakeEngine(): FakeEngine {
  const ledger = new Ledger(sharedLedgerMemory(1), 0)
  const table = new Table(ledger)
  const connections = new Set<Connection>()
  let failure: InfraError | undefined
  let settings = defaultSettings

  return {
    name: 'fake',
    capabilities: fakeCapabilities,
    async apply(changes, options) {
      throwIfCancelled(options, 'apply')
      throwIfRefused('fake', fakeCapabilities, changes)
      const tableChanges = changes.filter(isTableChange)
      table.check(tableChanges)
      if (failure !== undefined) {
        const error = failure
        failure = undefined
        throw error
      }
      table.commit(tableChanges.map(plainChange))
      for (const change of changes) if (change.kind === 'settings') settings = withSettings(settings, change.settings)
      table.sweep()
    },
    async read(options) {
      throwIfCancelled(options, 'read')
      return table.read()
    },
    async info(options) {
      throwIfCancelled(options, 'info')
      return { settings, daemons: [], tableSize: 4096 }
    },
    async zero(_id, options) {
      throwIfCancelled(options, 'zero')
    },
    async *connections(options) {
      for (const connection of connections) {
        throwIfCancelled(options, 'connections')
        yield connection
      }
    },
    traffic: {
      connect(id, options = {}) {
        const service = table.services.get(serviceKey(id))
        const server = service && place(table, service, options.server)
        if (service === undefined || server === undefined) return undefined
        return openConnection(
          ledger,
          connections,
          service,
          server,
          options.client ?? { address: '192.0.2.1', port: 40_000 },
        )
      },
      failNextApply(error) {
        failure = error
      },
    },
    async [Symbol.asyncDispose]() {
      connections.clear()
    },
  }
}

function place(table: Table, service: ServiceRecord, wanted: Endpoint | undefined): ServerRecord | undefined {
  if (wanted === undefined)
    return table.place(service, { source: [0], sourcePort: 0, destination: [0], destinationPort: 0, atMs: 0 })
  const server = service.servers.find(({ key }) => key === realServerKey(wanted))
  if (server !== undefined) table.count(service, server)
  return server
}

function openConnection(
  ledger: Ledger,
  connections: Set<Connection>,
  record: ServiceRecord,
  server: ServerRecord,
  client: Endpoint,
): FakeConnection {
  const { id } = record.service
  const protocol: Protocol = id.kind === 'address' ? id.protocol : 'tcp'
  const service: Endpoint =
    id.kind === 'address' ? { address: id.address, port: id.port } : { address: '0.0.0.0', port: 0 }
  const { address, port } = server.server
  const entry = (state: Connection['state']): Connection => ({
    protocol,
    client,
    service,
    server: { address, port },
    state,
    expiresSeconds: record.service.idleTimeoutSeconds ?? 900,
  })
  let current = entry(protocol === 'udp' ? 'UDP' : 'ESTABLISHED')
  let isActive = protocol !== 'udp'
  connections.add(current)
  const isOpen = (): boolean => connections.has(current)
  return {
    server: { address, port },
    transfer(bytes) {
      if (!isOpen()) return
      if (bytes.in > 0) ledger.addIn(server.slot, bytes.in)
      if (bytes.out > 0) ledger.addOut(server.slot, bytes.out)
    },
    halfClose() {
      if (!isOpen() || !isActive) return
      isActive = false
      ledger.addActive(server.slot, -1)
      ledger.addInactive(server.slot, 1)
      connections.delete(current)
      current = entry('FIN_WAIT')
      connections.add(current)
    },
    close() {
      if (!connections.delete(current)) return
      if (isActive) ledger.addActive(server.slot, -1)
      else ledger.addInactive(server.slot, -1)
    },
  }
}
