/**
 * A thousand edits by ipvsadm(8)'s own lines under traffic: after each the table that the program uses is the wanted one, and
 * connections whose server nobody has taken away go on to it.
 */
import fc from 'fast-check'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { handTable } from '../../src/director/by-hand.ts'
import { makeEdits } from '../../src/director/edits.ts'
import { decodeService, serverAt } from '../../src/engines/ebpf/encode.ts'
import { within } from '../../src/engines/engine.contract.ts'
import { parseRules } from '../../src/formats/ipvsadm-rules.ts'
import { type Endpoint, formatEndpoint, type RealServer, type Service, serviceKey } from '../../src/lvs/service.ts'
import { decodeFrame, encodeFrame, type TcpFlag } from '../ipvs/packets.ts'
import { openPacketWorld, type PacketWorld } from './packet-world.ts'

const edits = 1000
/** Looked at after each edit, in turn. */
const connectionsPerLook = 12

let world: PacketWorld
beforeAll(async () => {
  world = await openPacketWorld()
})
afterAll(() => world[Symbol.asyncDispose]())

const vip = '10.50.0.1'
const service = fc
  .tuple(fc.constantFrom('-t', '-u'), fc.constantFrom(80, 81, 82))
  .map(([kind, port]) => `${kind} ${vip}:${port}`)
const server = fc.integer({ min: 2, max: 9 }).map((host) => `-r 10.50.0.${host}:8080`)
const scheduler = fc.constantFrom('rr', 'wrr', 'lc', 'wlc', 'sed', 'nq', 'sh', 'mh', 'dh', 'fo', 'ovf', 'lblc', 'lblcr')
const persistence = fc.constantFrom('', '', ' -p 60')
const limits = fc.constantFrom('', '', ' -x 9 -y 3')
const line = fc.oneof(
  { weight: 4, arbitrary: fc.tuple(fc.constantFrom('-A', '-A', '-E'), service, scheduler, persistence).map(([verb, id, name, more]) => `${verb} ${id} -s ${name}${more}`) },
  { weight: 16, arbitrary: fc.tuple(fc.constantFrom('-a', '-a', '-e'), service, server, fc.nat(3), limits).map(([verb, id, real, weight, more]) => `${verb} ${id} ${real} -m -w ${weight}${more}`) },
  { weight: 4, arbitrary: fc.tuple(service, server).map(([id, real]) => `-d ${id} ${real}`) },
  { weight: 1, arbitrary: service.map((id) => `-D ${id}`) },
) // biome-ignore format: commands to read at a glance

type Installed = { readonly service: Service; readonly servers: readonly RealServer[] }
type Talk = { readonly client: Endpoint; readonly service: Endpoint; readonly server: string }

const common = { chunks: [], payload: '', mark: 0 } as const
function packet(protocol: 'tcp' | 'udp', from: Endpoint, to: Endpoint, flags: readonly TcpFlag[]): Uint8Array {
  return encodeFrame({ ...common, protocol, from, to, flags })
}

/** Where the program sends a packet of a client: the server, or its verdict. */
function sentTo(frame: Uint8Array): string {
  const { verdict, frame: sent } = world.run(frame)
  const seen = verdict === 'send' ? decodeFrame(sent) : undefined
  return seen?.kind === 'packet' ? formatEndpoint(seen.to) : verdict
}

/** The maps themselves, as the program reads them: each service with its servers, newest first. */
function installed(): Map<string, Installed> {
  const { services, slots, servers } = world.engine.program.maps
  const { keyBytes, valueBytes } = services.info
  const page = services.page(undefined, services.info.maxEntries)
  const found = Array.from({ length: page.count }, (_, index): [string, Installed] => {
    const key = page.keys.subarray(index * keyBytes, (index + 1) * keyBytes)
    const { service, value } = decodeService(key, page.values.subarray(index * valueBytes, (index + 1) * valueBytes))
    const members = Array.from({ length: value.count }, (_, place) => {
      const slot = slots.bytes.readUInt32LE((value.members + place) * slots.stride)
      return serverAt(servers.bytes, slot * servers.stride).server
    })
    return [serviceKey(service.id), { service, servers: members }]
  })
  return new Map(found)
}

test('after each of a thousand edits the program’s table is the wanted one, and what was not touched goes on', async () => {
  const table = handTable()
  const options = {
    engine: world.engine,
    table,
    around: { schedulers: world.engine.capabilities.schedulers, addresses: [], interfaces: new Map<string, number>() },
    ownerOf: () => undefined,
    syncOwner: () => undefined,
    onMade: async () => undefined,
    onAsk: () => undefined,
  }
  let talks: Talk[] = []
  let [port, made, looked] = [1024, 0, 0]
  const wanted = (): Map<string, Installed> =>
    new Map(
      [...table.services].map(([key, own]) => [
        key,
        { service: own.service, servers: [...own.servers.values()].toReversed() },
      ]),
    )
  /** A connection that is established by packets of both sides; none where nobody takes it. */
  const begin = (to: Endpoint): void => {
    const client = { address: '198.51.100.7', port: port++ }
    const chosen = sentTo(packet('tcp', client, to, ['syn']))
    if (!chosen.includes(':')) return
    const [address = '', own] = chosen.split(':')
    world.run(packet('tcp', { address, port: Number(own) }, client, ['syn', 'ack']))
    expect(sentTo(packet('tcp', client, to, ['ack']))).toBe(chosen)
    talks.push({ client, service: to, server: chosen })
  }
  const stands = ({ service: { address, port: own }, server: chosen }: Talk): boolean =>
    table.services.get(serviceKey({ kind: 'address', protocol: 'tcp', address, port: own }))?.servers.has(chosen) ===
    true
  const session = fc.array(line, { minLength: edits, maxLength: edits, size: 'max' })
  await fc.assert(
    fc.asyncProperty(session, async (lines) => {
      for (const [at, text] of lines.entries()) {
        const { edits: parsed, problems } = parseRules(text, { host: () => undefined, port: () => undefined })
        expect(problems).toEqual([])
        const results = await makeEdits(
          parsed.map(({ edit }) => edit),
          options,
          within().signal,
        )
        made += results.filter(({ ok }) => ok).length
        expect(installed()).toEqual(wanted())
        talks = talks.filter(stands)
        for (let turn = 0; turn < Math.min(connectionsPerLook, talks.length); turn++) {
          const talk = talks[looked++ % talks.length]
          if (talk === undefined) continue
          expect([text, sentTo(packet('tcp', talk.client, talk.service, ['ack']))]).toEqual([text, talk.server])
        }
        begin({ address: vip, port: 80 + (at % 3) })
      }
    }),
    // One session; that it fails somewhere is worth more than where it would first.
    { numRuns: 1, endOnFailure: true },
  )
  expect(made).toBeGreaterThan(edits / 4)
  expect(looked).toBeGreaterThan(edits)
})
