import { expect, test } from 'vitest'
import type { TcpFlags } from '../../lvs/packet.ts'
import type { PortableConnection } from '../../lvs/portable-connection.ts'
import type { ServiceId } from '../../lvs/service.ts'
import { defaultTellingRules } from '../../lvs/telling.ts'
import { addServer, addService, aServer, aService, errorOf, within } from '../engine.contract.ts'
import { type FakeEngine, fakeEngine } from './fake.ts'

const web: ServiceId = { kind: 'address', protocol: 'tcp', address: '192.0.2.1', port: 80 }
const client = { address: '198.51.100.7', port: 4000 }
const persistence = { timeoutSeconds: 300, mask: '255.255.255.255' }

async function opened(over = {}): Promise<FakeEngine> {
  const engine = fakeEngine()
  const servers = [aServer(80, { address: '10.9.0.2' }), aServer(80, { address: '10.9.0.3' })]
  await engine.apply([addService(aService(web, over)), ...servers.map((one) => addServer(web, one))], within())
  return engine
}

function send(engine: FakeEngine, flags: TcpFlags): string {
  const verdict = engine.receive({
    protocol: 'tcp',
    flags,
    source: client,
    destination: { address: web.kind === 'address' ? web.address : '', port: 80 },
    bytes: 40,
  })
  return verdict.kind === 'forward' ? verdict.to.address : verdict.kind
}

const answer = (engine: FakeEngine, flags: TcpFlags, address = '10.9.0.3'): unknown =>
  engine.receive({ protocol: 'tcp', flags, source: { address, port: 80 }, destination: client, bytes: 40 })

test('backups are told of a connection with its third packet, and of its end at once', async () => {
  await using engine = await opened()
  const changes = engine.changedConnections({ ...within(), rules: defaultTellingRules })[Symbol.asyncIterator]()
  const told = async (): Promise<readonly string[]> => {
    const { value } = await changes.next()
    return (value?.connections ?? []).map(({ kind, state }: PortableConnection) => `${kind} ${state}`)
  }
  send(engine, { syn: true })
  answer(engine, { syn: true, ack: true })
  send(engine, { ack: true })
  const third = told()
  send(engine, { ack: true })
  expect(await third).toEqual(['connection ESTABLISHED'])
  send(engine, { fin: true, ack: true })
  expect(await told()).toEqual(['connection CLOSE_WAIT'])
})

test('another one goes on where the first was, and its clients keep their server', async () => {
  await using one = await opened({ persistence })
  expect(send(one, { syn: true })).toBe('10.9.0.3')
  answer(one, { syn: true, ack: true })
  send(one, { ack: true })
  await using two = await opened({ persistence })
  // It has a client of its own meanwhile.
  two.traffic.connect(web, { client: { address: '203.0.113.1', port: 1 } })
  for await (const batch of one.exportConnections(within())) await two.takeConnections(batch, within())
  expect(send(two, { ack: true })).toBe('10.9.0.3')
  expect(send(two, { fin: true, ack: true })).toBe('10.9.0.3')
  for (let count = 0; count < 3; count++) {
    client.port += 1
    expect(send(two, { syn: true })).toBe('10.9.0.3')
  }
})

test('one that waits for its server is forwarded all the same, as the kernel does', async () => {
  await using one = await opened()
  send(one, { syn: true })
  answer(one, { syn: true, ack: true })
  send(one, { ack: true })
  await using two = fakeEngine()
  const other: ServiceId = { kind: 'address', protocol: 'udp', address: '192.0.2.9', port: 53 }
  await two.apply([addService(aService(other))], within())
  for await (const batch of one.exportConnections(within()))
    expect(await two.takeConnections(batch, within())).toMatchObject({ waiting: 1 })
  expect(send(two, { ack: true })).toBe('10.9.0.3')
})

test('one at a time follows', async () => {
  await using engine = await opened()
  const options = { ...within(), rules: defaultTellingRules }
  engine.changedConnections(options)
  const second = Promise.resolve().then(() => engine.changedConnections(options))
  expect((await errorOf(second)).code).toBe('busy')
})
