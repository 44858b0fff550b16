/**
 * Takes connections of another director over: finds this one's own service and server for each, and has the program put
 * them in, many at a time. What has no server here waits for it, as much as there is room for.
 */
import { setImmediate } from 'node:timers/promises'
import { tcpStates } from '../../lvs/connection-state.ts'
import {
  type PortableConnection,
  portableKey,
  portedServerPorts,
  portedServices,
} from '../../lvs/portable-connection.ts'
import { familyOf, formatEndpoint, serviceKey } from '../../lvs/service.ts'
import { testRun } from '../../os/bpf.ts'
import type { TakenConnections } from '../engine.ts'
import type { ServerRecord, ServiceRecord } from './draft.ts'
import { putAddress } from './encode.ts'
import { adoptMost, adoptTemplates, families, layouts, protocols } from './layout.ts'
import type { SharedArray } from './maps.ts'
import type { EbpfTable } from './table.ts'

/** enum adopted, of what the program answers. */
const answers = ['refused', 'taken', 'updated', 'outdated', 'full'] as const
const reasons = {
  refused: 'its server has just gone, or its ends are those of another connection here',
  outdated: 'another one stands in its place',
  full: 'the table is full',
  forgotten: 'more wait for their servers than there is room for',
  foreign: 'of a protocol that the ebpf engine does not carry',
} as const
const mostWaiting = 65_536
const { at } = layouts.adoption
const key = layouts.flow_key.at
/** struct __sk_buff: the mark. */
const markAt = 8
const contextBytes = 16

type Counts = { taken: number; updated: number; waiting: number; refused: Record<string, number> }
type Placed = { readonly connection: PortableConnection; readonly server: ServerRecord }
type Waiting = { readonly connection: PortableConnection; readonly untilMs: number }

export class Adopter {
  readonly #adopting: SharedArray
  readonly #program: number
  readonly #table: EbpfTable
  /** Oldest first. */
  readonly #waiting = new Map<string, Waiting>()
  readonly #servers = new WeakMap<ServiceRecord, ReadonlyMap<string, ServerRecord>>()
  #isRetrying = false

  constructor(adopting: SharedArray, program: number, table: EbpfTable) {
    this.#adopting = adopting
    this.#program = program
    this.#table = table
  }

  async take(connections: readonly PortableConnection[], signal: AbortSignal): Promise<TakenConnections> {
    const counts: Counts = { taken: 0, updated: 0, waiting: 0, refused: {} }
    for (let from = 0; from < connections.length && !signal.aborted; from += adoptMost) {
      if (from > 0) await setImmediate()
      this.#takeSome(connections.slice(from, from + adoptMost), counts)
    }
    return counts
  }

  /** After servers have come: what has waited for them is put in, beside other work. */
  async retry(signal: AbortSignal): Promise<void> {
    if (this.#waiting.size === 0 || this.#isRetrying) return
    this.#isRetrying = true
    try {
      const nowMs = performance.now()
      const standing = [...this.#waiting].flatMap(([name, { connection, untilMs }]) => {
        if (untilMs > nowMs) return [{ ...connection, timeoutSeconds: Math.ceil((untilMs - nowMs) / 1000) }]
        this.#waiting.delete(name)
        return []
      })
      await this.take(standing, signal)
    } finally {
      this.#isRetrying = false
    }
  }

  #takeSome(connections: readonly PortableConnection[], counts: Counts): void {
    const placed: Placed[] = []
    for (const connection of connections) {
      if (connection.protocol === 'sctp' || connection.persistenceData !== undefined) {
        refuse(counts, reasons.foreign)
        continue
      }
      const server = this.#serverOf(connection)
      if (server === undefined) this.#wait(connection, counts)
      else placed.push({ connection, server })
      if (server !== undefined && this.#waiting.size > 0) this.#waiting.delete(portableKey(connection))
    }
    // Templates first, so that their clients' next connections find them.
    for (const kind of ['template', 'connection'] as const)
      this.#put(
        placed.filter(({ connection }) => connection.kind === kind),
        kind === 'template' ? adoptTemplates : 0,
        counts,
      )
  }

  #put(placed: readonly Placed[], kind: number, counts: Counts): void {
    if (placed.length === 0) return
    const { bytes, stride } = this.#adopting
    for (const [index, one] of placed.entries()) putAdoption(bytes, index * stride, one)
    const context = Buffer.alloc(contextBytes)
    context.writeUInt32LE(placed.length | kind, markAt)
    testRun(this.#program, Buffer.alloc(64), context)
    for (let index = 0; index < placed.length; index++) {
      const answer = answers[bytes[index * stride + at.adopted] ?? 0] ?? 'refused'
      if (answer === 'taken' || answer === 'updated') counts[answer] += 1
      else refuse(counts, reasons[answer])
    }
  }

  #wait(connection: PortableConnection, counts: Counts): void {
    const name = portableKey(connection)
    this.#waiting.delete(name)
    this.#waiting.set(name, { connection, untilMs: performance.now() + connection.timeoutSeconds * 1000 })
    counts.waiting += 1
    if (this.#waiting.size <= mostWaiting) return
    const [oldest] = this.#waiting.keys()
    if (oldest !== undefined) this.#waiting.delete(oldest)
    refuse(counts, reasons.forgotten)
  }

  #serverOf(connection: PortableConnection): ServerRecord | undefined {
    for (const id of portedServices(connection)) {
      const record = this.#table.services.get(serviceKey(id))
      if (record === undefined) continue
      const servers = this.#serversOf(record)
      const { address, port } = connection.server
      for (const own of portedServerPorts(connection)) {
        const server = servers.get(formatEndpoint({ address, port: own }))
        if (server !== undefined) return server
      }
      if (connection.kind === 'template' && port === 0)
        return record.servers.find(({ server }) => server.address === address)
      return undefined
    }
    return undefined
  }

  /** By address and port. */
  #serversOf(record: ServiceRecord): ReadonlyMap<string, ServerRecord> {
    let servers = this.#servers.get(record)
    if (servers === undefined) {
      servers = new Map(record.servers.map((one) => [formatEndpoint(one.server), one]))
      this.#servers.set(record, servers)
    }
    return servers
  }
}

function refuse({ refused }: Counts, reason: string): void {
  refused[reason] = (refused[reason] ?? 0) + 1
}

function putAdoption(bytes: Buffer, start: number, { connection, server }: Placed): void {
  const { kind, protocol, client, service, state, timeoutSeconds } = connection
  const nanoseconds = BigInt(timeoutSeconds) * 1_000_000_000n
  bytes.fill(0, start, start + layouts.adoption.bytes)
  putAddress(bytes, start + key.source, client.address)
  putAddress(bytes, start + key.destination, service.address)
  bytes.writeUInt16BE(client.port, start + key.source_port)
  bytes.writeUInt16BE(service.port, start + key.destination_port)
  bytes[start + key.protocol] = protocol === 'ip' ? protocols.any : protocol === 'udp' ? protocols.udp : protocols.tcp
  bytes[start + key.family] = families[familyOf(client.address)]
  bytes.writeBigUInt64LE(nanoseconds, start + at.timeout)
  bytes.writeUInt32LE(server.slot, start + at.server)
  bytes.writeUInt16BE(connection.server.port, start + at.port)
  const code = kind === 'template' ? (state === 'ASSURED' ? 1 : 0) : (tcpStates as readonly string[]).indexOf(state)
  bytes[start + at.state] = Math.max(code, 0)
}
