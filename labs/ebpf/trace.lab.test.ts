/** `trace`: what the program would do with a packet, while nothing is sent, counted or begun. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { addServer, addService, aServer, aService, errorOf, within } from '../../src/engines/engine.contract.ts'
import type { Connection, TraceAnswer, TraceQuestion } from '../../src/engines/engine.ts'
import type { Forwarding, RealServer, Service, ServiceId } from '../../src/lvs/service.ts'
import { encodeFrame } from '../ipvs/packets.ts'
import { openPacketWorld, type PacketWorld } from './packet-world.ts'
import { serverMac } from './world.ts'

type AddressId = Extract<ServiceId, { kind: 'address' }>

const vips = { ipv4: '10.50.0.1', ipv6: 'fd50::1' } as const
const clients = { ipv4: '198.51.100.7', ipv6: '2001:db8::7' } as const
const serverAddress = { ipv4: '10.50.0.2', ipv6: 'fd50::2' } as const
const families = ['ipv4', 'ipv6'] as const

let world: PacketWorld
let port = 2000
beforeAll(async () => {
  world = await openPacketWorld()
})
afterAll(() => world[Symbol.asyncDispose]())

async function stage(
  family: 'ipv4' | 'ipv6',
  forwarding: Forwarding,
  over: { service?: Partial<Service>; server?: Partial<RealServer> } = {},
): Promise<{ readonly id: AddressId; readonly question: TraceQuestion }> {
  const id: AddressId = { kind: 'address', protocol: 'tcp', address: vips[family], port: port++ }
  const server = aServer(forwarding === 'masq' ? 8080 : id.port, {
    address: serverAddress[family],
    forwarding,
    ...over.server,
  })
  await world.engine.apply([addService(aService(id, over.service)), addServer(id, server)], within())
  const client = { address: clients[family], port: 40_000 }
  return { id, question: { protocol: 'tcp', client, service: { address: id.address, port: id.port } } }
}

/** All that packets change. */
async function state(): Promise<unknown> {
  const { maps } = world.engine.program
  const connections: Omit<Connection, 'expiresSeconds'>[] = []
  for await (const { expiresSeconds: _, ...rest } of world.engine.connections(within())) connections.push(rest)
  const snapshots = (await world.engine.read(within())).map(({ service, counters, servers }) => ({
    service,
    counters,
    servers: servers.map(({ rates: __, ...server }) => server),
  }))
  return { snapshots, connections, turns: Buffer.from(maps.turns.bytes), totals: Buffer.from(maps.totals.bytes) }
}

/** Asked twice: the answer is the same, and so is all else. */
async function traced(question: TraceQuestion): Promise<TraceAnswer> {
  const before = await state()
  const answer = await world.engine.trace?.(question, within())
  expect(await world.engine.trace?.(question, within())).toEqual(answer)
  expect(await state()).toEqual(before)
  if (answer === undefined) throw new Error('it does not tell')
  return answer
}

function begin({ client, service }: TraceQuestion): void {
  const { verdict } = world.run(
    encodeFrame({ protocol: 'tcp', from: client, to: service, flags: ['syn'], chunks: [], payload: '', mark: 0 }),
  )
  expect(verdict).toBe('send')
}

describe('trace', () => {
  test.each(families)('%s, NAT: a new connection, its server, and the packet as it leaves', async (family) => {
    const { id, question } = await stage(family, 'masq')
    const answer = await traced(question)
    const server = serverAddress[family]
    expect(answer).toMatchObject({
      interface: 'lan',
      connection: 'new',
      verdict: 'sent',
      service: { id, scheduler: 'rr' },
      server: { address: server, port: 8080, forwarding: 'masq' },
      after: {
        toMac: serverMac(2),
        layers: [{ from: clients[family], to: server, toPort: 8080, fromPort: 40_000, hops: 63 }],
      },
    })
    begin(question)
    expect(await traced(question)).toMatchObject({ connection: 'established', server: { address: server, port: 8080 } })
  })

  test.each(families)('%s, direct routing and tunnels', async (family) => {
    const direct = await stage(family, 'direct')
    expect(await traced(direct.question)).toMatchObject({
      verdict: 'sent',
      after: { toMac: serverMac(2), layers: [{ to: vips[family], toPort: direct.id.port, hops: 63 }] },
    })
    const tunnel = await stage(family, 'tunnel')
    expect(await traced(tunnel.question)).toMatchObject({
      verdict: 'sent',
      after: {
        layers: [
          { protocol: 'ipip', to: serverAddress[family] },
          { protocol: 'tcp', to: vips[family] },
        ],
      },
    })
  })

  test('a server on the director itself; no such service; none that takes connections', async () => {
    const local = await stage('ipv4', 'local')
    expect(await traced(local.question)).toMatchObject({ verdict: 'passed', server: { forwarding: 'local' } })
    const nothing = { ...local.question, service: { address: '10.50.0.1', port: 9 } }
    const answer = await traced(nothing)
    expect(answer).toMatchObject({
      verdict: 'passed',
      connection: 'none',
      reason: expect.stringContaining('no such service'),
    })
    expect(answer.service).toBeUndefined()
    const idle = await stage('ipv4', 'masq', { server: { weight: 0 } })
    expect(await traced(idle.question)).toMatchObject({
      verdict: 'answered',
      connection: 'none',
      after: { layers: [{ protocol: 'icmp' }] },
    })
  })

  test('a removed server, and a client that the service remembers', async () => {
    const removed = await stage('ipv4', 'masq')
    begin(removed.question)
    await world.engine.apply(
      [{ kind: 'server.remove', id: removed.id, server: { address: '10.50.0.2', port: 8080 } }],
      within(),
    )
    expect(await traced(removed.question)).toMatchObject({
      verdict: 'dropped',
      reason: expect.stringContaining('removed'),
    })
    const sticky = await stage('ipv4', 'masq', {
      service: { persistence: { timeoutSeconds: 60, mask: '255.255.255.0' } },
    })
    await world.engine.apply([addServer(sticky.id, aServer(8081, { address: '10.50.0.2' }))], within())
    begin(sticky.question)
    const other = { ...sticky.question, client: { address: '198.51.100.99', port: 1234 } }
    const first = await traced(sticky.question)
    expect(first.connection).toBe('established')
    expect((await traced(other)).server?.port).toBe(first.server?.port)
  })

  test('turns are those of the real program: the next client gets what was foretold', async () => {
    const { id, question } = await stage('ipv4', 'masq')
    await world.engine.apply(
      [8081, 8082].map((own) => addServer(id, aServer(own, { address: '10.50.0.2' }))),
      within(),
    )
    for (let client = 1; client < 6; client++) {
      const asked = { ...question, client: { ...question.client, port: client } }
      const foretold = await traced(asked)
      begin(asked)
      expect((await traced(asked)).server).toEqual(foretold.server)
    }
  })

  test.each(['lblc', 'lblcr'] as const)('%s: what is remembered of the destination counts', async (scheduler) => {
    const { id, question } = await stage('ipv4', 'masq', { service: { scheduler } })
    await world.engine.apply([addServer(id, aServer(8081, { address: '10.50.0.2', weight: 5 }))], within())
    begin(question)
    const first = await traced(question)
    const next = { ...question, client: { ...question.client, port: 5 } }
    expect((await traced(next)).server).toEqual(first.server)
  })

  test('an interface that is not there is said', async () => {
    const { question } = await stage('ipv4', 'masq')
    expect(
      await errorOf(world.engine.trace?.({ ...question, interface: 'none' }, within()) ?? Promise.resolve()),
    ).toMatchObject({ code: 'not-found' })
  })
})
