import { expect, test } from 'vitest'
import type { ServiceId } from '../lvs/service.ts'
import { addServer, addService, aServer, aService, within } from './engine.contract.ts'
import type { Connection } from './engine.ts'
import { fakeEngine } from './fake/fake.ts'
import { listedTable, portableListing } from './listed.ts'

const web: ServiceId = { kind: 'address', protocol: 'tcp', address: '192.0.2.1', port: 80 }
const marked: ServiceId = { kind: 'fwmark', mark: 9, family: 'ipv4' }
const persistence = { timeoutSeconds: 300, mask: '255.255.255.255' }

test('a listing says as much of connections as the engine itself, but for the time of what stands', async () => {
  await using engine = fakeEngine()
  await engine.apply(
    [
      addService(aService(web, { persistence })),
      addServer(web, aServer(80, { address: '10.9.0.2', forwarding: 'tunnel' })),
      addService(aService(marked, { persistence })),
      addServer(marked, aServer(0, { address: '10.9.0.3', forwarding: 'direct' })),
    ],
    within(),
  )
  engine.traffic.connect(web)
  engine.traffic.connect(marked)
  // It has only begun.
  engine.receive({
    protocol: 'tcp',
    flags: { syn: true },
    source: { address: '198.51.100.9', port: 1 },
    destination: { address: '192.0.2.1', port: 80 },
    bytes: 40,
  })
  const table = listedTable(await engine.read(within()))
  const listed: Connection[] = []
  for await (const one of engine.connections(within())) listed.push(one)
  const found = listed.flatMap((one) => portableListing(one, table) ?? [])
  const own = []
  for await (const batch of engine.exportConnections(within())) own.push(...batch)
  const still = (one: object): string => JSON.stringify({ ...one, timeoutSeconds: 0, isInputOnly: true })
  expect(found.map(still).toSorted()).toEqual(own.map(still).toSorted())
  expect(found.map(({ mark, forwarding }) => `${mark} ${forwarding}`).toSorted()).toEqual([
    '0 tunnel', '0 tunnel', '0 tunnel', '9 direct', '9 direct',
  ]) // biome-ignore format: three of one service, of which one is its second client's template
  expect(found.filter(({ kind }) => kind === 'template').map(({ timeoutSeconds }) => timeoutSeconds)).toEqual([
    300, 300, 300,
  ])
})

test('templates that lead nowhere any more are left out', () => {
  const listed: Connection = {
    protocol: 'tcp',
    client: { address: '198.51.100.0', port: 0 },
    service: { address: '192.0.2.1', port: 65_535 },
    server: { address: '10.9.0.2', port: 65_535 },
    state: 'ASSURED',
    expiresSeconds: 20,
  }
  expect(portableListing(listed, listedTable([]))).toBeUndefined()
  expect(portableListing({ ...listed, service: { address: '192.0.2.1', port: 80 } }, listedTable([]))).toMatchObject({
    kind: 'template',
    timeoutSeconds: 20,
  })
})
