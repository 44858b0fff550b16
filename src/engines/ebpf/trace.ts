/**
 * Where a client's packet would go: the program is run on it a second time loaded, on copies of the maps that it writes, so
 * that nothing is sent, counted or begun. What it only reads it shares with the real one.
 */
import { readFile } from 'node:fs/promises'
import { networkInterfaces } from 'node:os'
import { Bug, InfraError } from '../../errors.ts'
import { serviceKey } from '../../lvs/service.ts'
import { serviceCandidates } from '../../lvs/service-lookup.ts'
import { type BpfObject, loadObjectAside, testRun } from '../../os/bpf.ts'
import { BpfMap } from '../../os/bpf-map.ts'
import { type Interface, listInterfaces } from '../../os/interfaces.ts'
import { waysTo } from '../../os/route.ts'
import { decodeFrame, encodeClientPacket } from '../../wire/balanced-packet.ts'
import type { TraceAnswer, TraceQuestion } from '../engine.ts'
import type { ServiceRecord } from './draft.ts'
import { encodeServiceKey, putAddress } from './encode.ts'
import { families, flowKinds, layouts, type MapName, mostServers, protocols, replicasPerPiece, uses } from './layout.ts'
import { indexKey } from './maps.ts'
import { objectFile, type Program } from './program.ts'
import type { EbpfTable } from './table.ts'

/** What the program only reads. */
const shared = ['services', 'slots', 'settings', 'vouched'] as const satisfies readonly MapName[]
/** Of one packet. */
const fewEntries = 64
/** Of the set of servers that lblcr remembers for one destination. */
const mostPieces = Math.ceil(mostServers / replicasPerPiece)
/** Of a client that is not said to have one. */
export const ephemeralPort = 50_000

/** struct __sk_buff, as far as it is told where the packet came in. */
const context = { bytes: 192, interface: 40 } as const
const verdicts = { pass: -1, stack: 0, drop: 2, redirect: 7 } as const
const ftpPort = 21

/** @throws InfraError `not-found` for an interface, or where none leads to the client. */
export async function trace(program: Program, table: EbpfTable, asked: TraceQuestion): Promise<TraceAnswer> {
  const question = asked.client.port === 0 ? { ...asked, client: { ...asked.client, port: ephemeralPort } } : asked
  const from = interfaceOf(question)
  const bytes = await readFile(objectFile)
  const used = table.servers.used + 1
  const reuse = Object.fromEntries(shared.map((name) => [name, program.map(name)]))
  using copy = await loadObjectAside(bytes, {
    maxEntries: {
      flows: fewEntries, templates: fewEntries, remembered: fewEntries, kept: 1,
      turns: program.sizes.services, servers: used, counters: used,
      destinations: fewEntries, replicas: mostPieces + 1, localities: program.sizes.services,
    }, // biome-ignore format: a list to read at a glance
    reuse,
  })
  return new Rehearsal(program, table, copy, used).run(question, from)
}

class Rehearsal {
  readonly #program: Program
  readonly #table: EbpfTable
  readonly #copy: BpfObject
  readonly #servers: number

  constructor(program: Program, table: EbpfTable, copy: BpfObject, servers: number) {
    this.#program = program
    this.#table = table
    this.#copy = copy
    this.#servers = servers
  }

  run(question: TraceQuestion, from: Interface): TraceAnswer {
    const { protocol, client, service } = question
    const key = flowKey(question)
    const record = this.#serviceOf(question)
    const standing = this.#copyState(key, record)
    const toMac = macOf(from)
    const packet = encodeClientPacket({ protocol, from: client, to: service, isFirst: standing === undefined, toMac })
    const around = Buffer.alloc(context.bytes)
    around.writeUInt32LE(from.index, context.interface)
    const { verdict, packet: after } = testRun(this.#copy.program('director_in'), packet, around)
    const flow = this.#map('flows').lookup(key)
    const slot = flow?.readUInt32LE(layouts.flow.at.server)
    const answer = { interface: from.name, before: decodeFrame(packet), after: decodeFrame(after) }
    const outcome = this.#outcome({ verdict, answer, record, standing, slot })
    return {
      ...answer,
      ...outcome,
      connection: standing !== undefined ? 'established' : flow === undefined ? 'none' : 'new',
      ...(record === undefined ? {} : { service: { id: record.id, scheduler: record.service.scheduler } }),
      ...(slot === undefined ? {} : { server: this.#server(slot, flow) }),
    }
  }

  #serviceOf({ protocol, service }: TraceQuestion): ServiceRecord | undefined {
    for (const id of serviceCandidates(protocol, service, 0)) {
      const record = this.#table.services.get(serviceKey(id))
      // Data connections belong to FTP services that remember their clients; none else answers at other ports.
      if (record !== undefined && (id.kind !== 'address' || id.port === service.port || id.port === 0 || isFtp(record)))
        return record
    }
    return undefined
  }

  /** All that the packet could meet; the entry of its connection, when that stands. */
  #copyState(key: Buffer, record: ServiceRecord | undefined): Buffer | undefined {
    const { maps } = this.#program
    this.#map('servers').fill(maps.servers.bytes.subarray(0, this.#servers * maps.servers.stride))
    this.#map('turns').fill(maps.turns.bytes.subarray(0, maps.turns.entries * maps.turns.stride))
    this.#map('totals').update(indexKey(0), maps.totals.bytes.subarray(0, layouts.totals.bytes))
    this.#map('localities').fill(maps.localities.bytes.subarray(0, maps.localities.entries * maps.localities.stride))
    const value = record && maps.services.lookup(encodeServiceKey(record.id))
    if (record !== undefined && value !== undefined) {
      this.#copyTemplate(key, record, value)
      this.#copyDestination(key, value)
    }
    const flow = maps.flows.lookup(key)
    if (flow === undefined) return undefined
    this.#map('flows').update(key, flow)
    const { kind, expires, other, template } = layouts.flow.at
    const reply = flow.subarray(other, other + layouts.flow_key.bytes)
    this.#copyEntry('flows', reply)
    this.#copyEntry('templates', flow.subarray(template, template + 8))
    const stands = flow[kind] === flowKinds.FLOW_CONNECTION && flow.readBigUInt64LE(expires) > process.hrtime.bigint()
    return stands ? flow : undefined
  }

  /** Of a service that remembers its clients: bpf/template.h, name_template. */
  #copyTemplate(key: Buffer, record: ServiceRecord, value: Buffer): void {
    const { at } = layouts.flow_key
    const name = Buffer.from(key)
    name.writeUInt16LE(0, at.source_port)
    for (let byte = 0; byte < 16; byte++)
      name[at.source + byte] = (name[at.source + byte] ?? 0) & (value[layouts.service.at.mask + byte] ?? 0)
    const { id } = record
    const isOwnPort = id.kind === 'address' && id.port === key.readUInt16BE(at.destination_port) && id.port !== ftpPort
    if (!isOwnPort) name.writeUInt16LE(0, at.destination_port)
    if (!this.#copyEntry('remembered', name)) return
    const number = this.#map('remembered').lookup(name)
    if (number !== undefined) this.#copyEntry('templates', number)
  }

  /** What lblc and lblcr remember of the packet's destination: bpf/lblc.h. */
  #copyDestination(key: Buffer, value: Buffer): void {
    const { at, bytes } = layouts.destination_key
    const name = Buffer.alloc(layouts.replicas_key.bytes)
    key.copy(name, at.address, layouts.flow_key.at.destination, layouts.flow_key.at.destination + 16)
    value.copy(name, at.locality, layouts.service.at.locality, layouts.service.at.locality + 4)
    this.#copyEntry('destinations', name.subarray(0, bytes))
    for (let piece = 0; piece < mostPieces; piece++) {
      name.writeUInt32LE(piece, layouts.replicas_key.at.piece)
      if (!this.#copyEntry('replicas', name)) return
    }
  }

  /** Whether it was there. */
  #copyEntry(name: MapName, key: Uint8Array): boolean {
    const value = new BpfMap(name, this.#program.map(name)).lookup(key)
    if (value === undefined) return false
    this.#map(name).update(key, value)
    return true
  }

  #map(name: MapName): BpfMap {
    return new BpfMap(name, this.#copy.map(name))
  }

  #server(slot: number, flow: Buffer | undefined): NonNullable<TraceAnswer['server']> {
    const { server } = this.#table.servers.read(slot)
    const port = flow?.readUInt16BE(layouts.flow.at.other + layouts.flow_key.at.source_port) ?? server.port
    return { address: server.address, port, forwarding: server.forwarding, weight: server.weight }
  }

  #outcome(met: Met): Pick<TraceAnswer, 'verdict' | 'reason'> {
    const { verdict, answer, record, standing, slot } = met
    const [layer] = answer.after.layers
    if (layer?.protocol === 'icmp')
      return slot === undefined
        ? {
            verdict: 'answered',
            reason:
              'the service has no server that takes new connections: the client is told that there is no such port',
          }
        : { verdict: 'answered', reason: 'the packet cannot go on to its server: the client is told why' }
    switch (verdict) {
      case verdicts.redirect:
        return {
          verdict: 'sent',
          reason:
            standing === undefined ? 'the scheduler has chosen its server' : 'it belongs to a connection that stands',
        }
      case verdicts.drop:
        return { verdict: 'dropped', reason: this.#whyDropped(standing, slot) }
      case verdicts.stack:
        return { verdict: 'sent', reason: 'the way on is not known here: the kernel forwards it by its routes' }
      case verdicts.pass:
        if (slot !== undefined)
          return { verdict: 'passed', reason: 'its server is on the director itself: it goes up to the stack' }
        return {
          verdict: 'passed',
          reason:
            record === undefined
              ? 'there is no such service: it goes on as if nobody had looked'
              : 'it begins no connection of the service: it goes on as if nobody had looked',
        }
      default:
        throw new Bug(`the program has no verdict ${verdict}`)
    }
  }

  #whyDropped(standing: Buffer | undefined, slot: number | undefined): string {
    const { at } = layouts.totals
    const [before, after] = [this.#program.maps.totals.bytes, this.#map('totals').lookup(indexKey(0))]
    const counted = (field: number): boolean =>
      after !== undefined && after.readBigUInt64LE(field) > before.readBigUInt64LE(field)
    if (counted(at.refused_full)) return 'the connection table is full'
    if (counted(at.refused_half_open)) return 'the share of half-open connections is full'
    const use = slot === undefined ? undefined : this.#use(slot)
    if (standing !== undefined && use !== uses.SERVER_INSTALLED)
      return 'its server has been removed; the connection waits for it to come back'
    return 'there is no way to its server from here'
  }

  #use(slot: number): number | undefined {
    const { bytes, stride } = this.#program.maps.servers
    return bytes[slot * stride + layouts.server.at.use]
  }
}

type Met = {
  readonly verdict: number
  readonly answer: Pick<TraceAnswer, 'after'>
  readonly record: ServiceRecord | undefined
  readonly standing: Buffer | undefined
  readonly slot: number | undefined
}

function isFtp({ service }: ServiceRecord): boolean {
  return service.persistence !== undefined
}

function flowKey({ protocol, client, service }: TraceQuestion): Buffer {
  const { bytes, at } = layouts.flow_key
  const key = Buffer.alloc(bytes)
  putAddress(key, at.source, client.address)
  putAddress(key, at.destination, service.address)
  key.writeUInt16BE(client.port, at.source_port)
  key.writeUInt16BE(service.port, at.destination_port)
  key[at.protocol] = protocols[protocol]
  key[at.family] = service.address.includes(':') ? families.ipv6 : families.ipv4
  return key
}

function interfaceOf({ client, interface: name }: TraceQuestion): Interface {
  const all = listInterfaces()
  const index = name === undefined ? waysTo([client.address]).get(client.address)?.interface : undefined
  const found = all.find((own) => (name === undefined ? own.index === index : own.name === name))
  if (found !== undefined) return found
  const what = name === undefined ? `no interface leads to ${client.address}` : `there is no interface ${name}`
  throw new InfraError('not-found', what, { subject: name ?? client.address, hint: 'name one: --from INTERFACE' })
}

function macOf({ name }: Interface): string {
  return networkInterfaces()[name]?.[0]?.mac ?? '00:00:00:00:00:00'
}
