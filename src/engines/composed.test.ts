import { expect, test } from 'vitest'
import { InfraError, isInfraError } from '../errors.ts'
import type { Service, ServiceId } from '../lvs/service.ts'
import { composedEngine } from './composed.ts'
import { addServer, addService, aServer, aService, engineContract, errorOf, within } from './engine.contract.ts'
import type { Engine } from './engine.ts'
import { type FakeEngine, fakeEngine } from './fake/fake.ts'

type World = {
  readonly composed: Engine
  readonly base: FakeEngine
  readonly application: FakeEngine
  readonly dns: FakeEngine
  readonly opened: string[]
}

function world(): World {
  const [base, application, dns] = [fakeEngine(), fakeEngine(), fakeEngine()]
  const opened: string[] = []
  const opening = (name: string, engine: Engine) => async () => {
    opened.push(name)
    return engine
  }
  const composed = composedEngine(base, { application: opening('application', application), dns: opening('dns', dns) })
  return { composed, base, application, dns, opened }
}

const tcp = (port: number): ServiceId => ({ kind: 'address', protocol: 'tcp', address: '127.0.0.1', port })
const name: ServiceId = { kind: 'dns', name: 'www.shop', address: '127.0.0.1', port: 5353 }
const pool: ServiceId = { kind: 'pool', name: 'api' }
const http = (port: number): Service => aService(tcp(port), { application: { kind: 'http', rules: [] } })

async function held(engine: Engine): Promise<string[]> {
  return (await engine.read(within())).map(({ service: { id }, servers }) => {
    const ports = servers.map(({ server }) => server.port).join()
    return `${'port' in id ? id.port : 'name' in id ? id.name : id.mark}: ${ports}`
  })
}

let nextPort = 1
engineContract('composed, of fakes', async () => {
  const { composed } = world()
  return {
    engine: composed,
    freeService: async (protocol = 'tcp') => ({ kind: 'address', protocol, address: '127.0.0.1', port: nextPort++ }),
    [Symbol.asyncDispose]: () => composed[Symbol.asyncDispose](),
  }
})

test('each kind of service goes to its part, opened when the first one comes; all are read in the order in which they came', async () => {
  const { composed, base, application, dns, opened } = world()
  await composed.apply([addService(aService(tcp(80)))], within())
  expect(opened).toEqual([])
  await composed.apply(
    [addService(http(81)), addService(aService(name)), addService(aService(pool)), addService(aService(tcp(82)))],
    within(),
  )
  await composed.apply(
    [addServer(tcp(81), aServer(1)), addServer(name, aServer(2)), addServer(pool, aServer(3))],
    within(),
  )
  expect(opened).toEqual(['application', 'dns'])
  expect(await held(base)).toEqual(['80: ', '82: '])
  expect(await held(application)).toEqual(['81: 1', 'api: 3'])
  expect(await held(dns)).toEqual(['5353: 2'])
  expect(await held(composed)).toEqual(['80: ', '81: 1', '5353: 2', 'api: 3', '82: '])
})

test('a service that becomes another kind moves with its servers in their order', async () => {
  const { composed, base, application } = world()
  await composed.apply(
    [addService(aService(tcp(80))), addServer(tcp(80), aServer(1)), addServer(tcp(80), aServer(2))],
    within(),
  )
  await composed.apply([{ kind: 'service.update', service: http(80) }, addServer(tcp(80), aServer(3))], within())
  expect(await held(base)).toEqual([])
  expect(await held(application)).toEqual(['80: 3,2,1'])
  await composed.apply([{ kind: 'service.update', service: aService(tcp(80)) }], within())
  expect(await held(base)).toEqual(['80: 3,2,1'])
  expect(await held(application)).toEqual([])
})

test('when one part cannot do its share the others take theirs back', async () => {
  const { composed, base, application } = world()
  await composed.apply(
    [
      addService(aService(tcp(80))),
      addServer(tcp(80), aServer(1)),
      addServer(tcp(80), aServer(2, { weight: 5 })),
      addService(http(81)),
    ],
    within(),
  )
  application.traffic.failNextApply(new InfraError('busy', 'taken', { subject: 'tcp' }))
  const failing = composed.apply(
    [
      { kind: 'service.update', service: aService(tcp(80), { scheduler: 'wlc' }) },
      { kind: 'server.remove', id: tcp(80), server: aServer(1) },
      { kind: 'server.update', id: tcp(80), server: aServer(2, { weight: 0 }) },
      addServer(tcp(80), aServer(3)),
      addService(aService(tcp(90))),
      addService(http(82)),
    ],
    within(),
  )
  expect(isInfraError(await errorOf(failing), 'busy')).toBe(true)
  const [only, ...others] = await base.read(within())
  expect(others).toEqual([])
  expect(only?.service.scheduler).toBe('rr')
  expect(new Map(only?.servers.map(({ server }) => [server.port, server.weight]))).toEqual(
    new Map([
      [1, 1],
      [2, 5],
    ]),
  )
  expect(await held(composed)).toHaveLength(2)
  await composed.apply([addService(aService(tcp(90)))], within())
  expect(await held(base)).toEqual(['80: 1,2', '90: '])
})

test('what goes away goes first, in all parts', async () => {
  const { composed, base, dns } = world()
  await composed.apply([addService(aService(name))], within())
  const order: string[] = []
  for (const [what, engine] of Object.entries({ base, dns })) {
    const apply = engine.apply.bind(engine)
    engine.apply = async (changes, options) => {
      order.push(`${what} ${changes.map(({ kind }) => kind).join()}`)
      await apply(changes, options)
    }
  }
  await composed.apply([addService(aService(tcp(53))), { kind: 'service.remove', id: name }], within())
  expect(order).toEqual(['dns service.remove', 'base service.add'])
})

test('a part that is opened later knows the settings that it heeds', async () => {
  const { composed, application } = world()
  await composed.apply(
    [{ kind: 'settings', settings: { timeouts: { tcp: 77 }, sysctls: { expire_nodest_conn: 1 } } }],
    within(),
  )
  await composed.apply([addService(http(80))], within())
  const { settings } = await application.info(within())
  expect([settings.timeouts.tcp, settings.sysctls.expire_nodest_conn]).toEqual([77, 1])
})

test('settings and daemons, too, are taken back when a part cannot do its share', async () => {
  const { composed, base, application } = world()
  const daemon = { role: 'master', interface: 'lo', syncId: 1, group: '224.0.0.81', port: 8848, ttl: 1 } as const
  await composed.apply([addService(http(81)), { kind: 'settings', settings: { timeouts: { udp: 55 } } }], within())
  application.traffic.failNextApply(new InfraError('busy', 'taken', { subject: 'tcp' }))
  const failing = composed.apply(
    [
      { kind: 'settings', settings: { timeouts: { tcp: 77 }, sysctls: { expire_nodest_conn: 1 } } },
      { kind: 'daemon.start', daemon },
      addService(http(82)),
    ],
    within(),
  )
  expect(isInfraError(await errorOf(failing), 'busy')).toBe(true)
  const { settings, daemons } = await base.info(within())
  expect([settings.timeouts, settings.sysctls.expire_nodest_conn]).toEqual([{ tcp: 900, tcpFin: 120, udp: 55 }, 0])
  expect(daemons).toEqual([])
})

test('changes asked for at once are made one after the other, each where the one before has left the service', async () => {
  const { composed, base, application } = world()
  await Promise.all([
    composed.apply([addService(aService(tcp(80)))], within()),
    composed.apply([{ kind: 'service.update', service: http(80) }], within()),
    composed.apply([addServer(tcp(80), aServer(1))], within()),
    composed.apply([addService(http(81))], within()),
  ])
  expect(await held(base)).toEqual([])
  expect(await held(application)).toEqual(['80: 1', '81: '])
})

test('a part that could not take the settings is closed, and opened anew by the next that needs it', async () => {
  const { composed, application, opened } = world()
  application.traffic.failNextApply(new InfraError('failed', 'not yet', { subject: 'engine' }))
  expect(isInfraError(await errorOf(composed.apply([addService(http(80))], within())))).toBe(true)
  await composed.apply([addService(http(80))], within())
  expect(opened).toEqual(['application', 'application'])
  expect(await held(composed)).toEqual(['80: '])
})
