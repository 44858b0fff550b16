/** What every DirectorControl must do: one suite for the object itself and for the one behind the socket. */
import { describe, expect, test } from 'vitest'
import { buildCheck, buildServer, buildService, buildWanted } from '../../test/build/services.ts'
import type { FakeEngine } from '../engines/fake/fake.ts'
import { isInfraError } from '../errors.ts'
import type { TableEdit } from '../lvs/edit.ts'
import { type ServiceId, serviceKey } from '../lvs/service.ts'
import type { Settings } from '../lvs/settings.ts'
import type { DirectorControl, EventQuery, EventRecord } from './control.ts'

export type ControlUnderTest = AsyncDisposable & {
  readonly control: DirectorControl
  readonly engine: FakeEngine
  /** What the probes of each port answer from now on. */
  setHealthy(port: number, healthy: boolean): void
}

const within = (): { signal: AbortSignal } => ({ signal: AbortSignal.timeout(5_000) })

async function codeOf(failing: Promise<unknown>): Promise<string> {
  try {
    await failing
  } catch (error) {
    return isInfraError(error) ? `${error.code}: ${error.message}` : `not an InfraError: ${String(error)}`
  }
  return 'no error'
}

/** `port: weight` of the first service as the engine has it, by port; a fallback or removed server shows by its absence. */
async function weightsIn({ engine }: ControlUnderTest): Promise<Record<number, number>> {
  const [service] = await engine.read(within())
  const pairs = (service?.servers ?? []).map(({ server }) => [server.port, server.weight] as const)
  return Object.fromEntries(pairs.sort(([a], [b]) => a - b))
}

export function controlContract(name: string, open: () => Promise<ControlUnderTest>): void {
  describe(`director control contract: ${name}`, () => {
    test('a cluster’s services stand in the engine once they are put', async () => {
      await using world = await open()
      await world.control.putCluster({ cluster: 'shop', services: [buildWanted()] }, within())
      expect(await weightsIn(world)).toEqual({ 1001: 1, 1002: 1 })
      const status = await world.control.status(within())
      expect(status.services).toMatchObject([
        { cluster: 'shop', name: 'www', servers: [{ port: 1001, weight: 1, health: 'unchecked' }, { port: 1002 }] },
      ])
    })

    test('putting a cluster again changes only what changed', async () => {
      await using world = await open()
      await world.control.putCluster({ cluster: 'shop', services: [buildWanted()] }, within())
      world.engine.traffic.connect(buildService().id, { server: { address: '127.0.0.1', port: 1001 } })
      await world.control.putCluster(
        { cluster: 'shop', services: [buildWanted({ servers: [buildServer(1001), buildServer(1003)] })] },
        within(),
      )
      expect(await weightsIn(world)).toEqual({ 1001: 1, 1003: 1 })
      const [service] = (await world.control.status(within())).services
      expect(service?.servers.find(({ port }) => port === 1001)).toMatchObject({ active: 1, connections: 1 })
    })

    test('a removed cluster takes its services along, and nobody else’s', async () => {
      await using world = await open()
      const other = buildWanted({
        name: 'api',
        service: buildService({ id: { kind: 'address', protocol: 'tcp', address: '127.0.0.1', port: 81 } }),
      })
      await world.engine.apply(
        [
          {
            kind: 'service.add',
            service: buildService({ id: { kind: 'address', protocol: 'udp', address: '127.0.0.1', port: 53 } }),
          },
        ],
        within(),
      )
      await world.control.putCluster({ cluster: 'shop', services: [buildWanted()] }, within())
      await world.control.putCluster({ cluster: 'other', services: [other] }, within())
      await world.control.removeCluster('shop', within())
      await world.control.removeCluster('shop', within())
      const { services } = await world.control.status(within())
      expect(services.map((service) => [service.cluster, service.name])).toEqual([
        ['other', 'api'],
        [undefined, 'udp 127.0.0.1:53'],
      ])
    })

    test('two clusters cannot have one address, and nothing is changed then', async () => {
      await using world = await open()
      await world.control.putCluster({ cluster: 'shop', services: [buildWanted()] }, within())
      expect(await codeOf(world.control.putCluster({ cluster: 'thief', services: [buildWanted()] }, within()))).toBe(
        'invalid: tcp 127.0.0.1:8080 of thief/www is taken by shop/www',
      )
      expect((await world.control.status(within())).clusters.map(({ cluster }) => cluster)).toEqual(['shop'])
    })

    test('a drain holds through a reload, and is undone by hand', async () => {
      await using world = await open()
      const services = [
        buildWanted({ servers: [buildServer(1001, { guest: 'web-1' }), buildServer(1002, { guest: 'web-2' })] }),
      ]
      await world.control.putCluster({ cluster: 'shop', services }, within())
      expect(await world.control.drain({ guest: 'web-1' }, within())).toBe(1)
      expect(await weightsIn(world)).toEqual({ 1001: 0, 1002: 1 })
      await world.control.putCluster({ cluster: 'shop', services }, within())
      expect(await weightsIn(world)).toEqual({ 1001: 0, 1002: 1 })
      expect((await world.control.status(within())).services[0]?.servers[0]).toMatchObject({
        guest: 'web-1',
        drained: true,
      })
      await world.control.undrain({ guest: 'web-1' }, within())
      expect(await weightsIn(world)).toEqual({ 1001: 1, 1002: 1 })
    })

    test('a drain until a start ends with it, and one by hand outlives it', async () => {
      await using world = await open()
      const servers = [buildServer(1001, { guest: 'web-1', guestPort: 80 }), buildServer(1002)]
      await world.control.putCluster({ cluster: 'shop', services: [buildWanted({ servers })] }, within())
      await world.control.drain({ guest: 'web-1', until: 'start' }, within())
      expect(await weightsIn(world)).toEqual({ 1001: 0, 1002: 1 })
      const [drained] = (await world.control.status(within())).services[0]?.servers ?? []
      expect(drained).toMatchObject({ drained: true, reason: 'drained until its guest is started' })
      await world.control.moveGuest('web-1', [], within())
      expect(await weightsIn(world)).toEqual({ 1001: 1, 1002: 1 })
      await world.control.drain({ guest: 'web-1' }, within())
      await world.control.drain({ guest: 'web-1', until: 'start' }, within())
      await world.control.undrain({ guest: 'web-1', until: 'start' }, within())
      await world.control.moveGuest('web-1', [], within())
      expect(await weightsIn(world)).toEqual({ 1001: 0, 1002: 1 })
      await world.control.undrain({ guest: 'web-1' }, within())
      expect(await weightsIn(world)).toEqual({ 1001: 1, 1002: 1 })
    })

    test('a moved guest is served where it is now, and stays drained', async () => {
      await using world = await open()
      const servers = [buildServer(1001, { guest: 'web-1', guestPort: 80 }), buildServer(1002)]
      await world.control.putCluster({ cluster: 'shop', services: [buildWanted({ servers })] }, within())
      await world.control.drain({ guest: 'web-1' }, within())
      await world.control.moveGuest('web-1', [{ guestPort: 80, address: '127.0.0.1', port: 1009 }], within())
      expect(await weightsIn(world)).toEqual({ 1002: 1, 1009: 0 })
    })

    test('a server that fails its checks is drained, and comes back', async () => {
      await using world = await open()
      await world.control.putCluster(
        { cluster: 'shop', services: [buildWanted({ checks: [buildCheck({ everyMs: 5, fall: 2, rise: 2 })] })] },
        within(),
      )
      await expect.poll(() => weightsIn(world)).toEqual({ 1001: 1, 1002: 1 })
      world.setHealthy(1001, false)
      await expect.poll(() => weightsIn(world)).toEqual({ 1001: 0, 1002: 1 })
      expect((await world.control.status(within())).services[0]?.servers[0]).toMatchObject({
        health: 'unhealthy',
        weight: 0,
        wantedWeight: 1,
      })
      world.setHealthy(1001, true)
      await expect.poll(() => weightsIn(world)).toEqual({ 1001: 1, 1002: 1 })
    })

    test('the fallback serves while nobody else can', async () => {
      await using world = await open()
      const wanted = buildWanted({
        checks: [buildCheck({ everyMs: 5, fall: 1, rise: 1 })],
        fallback: { address: '127.0.0.1', port: 9 },
      })
      world.setHealthy(1001, false)
      world.setHealthy(1002, false)
      await world.control.putCluster({ cluster: 'shop', services: [wanted] }, within())
      await expect.poll(() => weightsIn(world)).toEqual({ 9: 1, 1001: 0, 1002: 0 })
      expect((await world.control.status(within())).services[0]?.servers.at(-1)).toMatchObject({
        port: 9,
        fallback: true,
      })
      world.setHealthy(1002, true)
      await expect.poll(() => weightsIn(world)).toEqual({ 1001: 0, 1002: 1 })
    })

    test('a check can be asked for at once', async () => {
      await using world = await open()
      await world.control.putCluster(
        { cluster: 'shop', services: [buildWanted({ checks: [buildCheck({ everyMs: 3_600_000, fall: 1 })] })] },
        within(),
      )
      await expect.poll(() => weightsIn(world)).toEqual({ 1001: 1, 1002: 1 })
      world.setHealthy(1002, false)
      await world.control.checkNow(buildService().id, within())
      await expect.poll(() => weightsIn(world)).toEqual({ 1001: 1, 1002: 0 })
      expect(await codeOf(world.control.checkNow({ kind: 'fwmark', mark: 7, family: 'ipv4' }, within()))).toMatch(
        /^not-found/,
      )
    })

    test('the connections are those of the engine', async () => {
      await using world = await open()
      await world.control.putCluster({ cluster: 'shop', services: [buildWanted()] }, within())
      world.engine.traffic.connect(buildService().id)
      const listed = []
      for await (const batch of world.control.connections(within())) listed.push(...batch)
      expect(listed).toMatchObject([{ protocol: 'tcp', service: { port: 8080 } }])
    })

    test('edits by hand are answered one by one, as the kernel answers, and stand', async () => {
      await using world = await open()
      const id = buildService().id
      const server = buildServer(1001)
      const edits: TableEdit[] = [
        { kind: 'server.add', id, server },
        { kind: 'service.add', service: buildService() },
        { kind: 'service.add', service: buildService({ scheduler: 'wrr' }) },
        { kind: 'server.add', id, server },
        { kind: 'server.add', id, server },
        { kind: 'server.edit', id, server: buildServer(1002) },
        { kind: 'server.add', id, server: buildServer(1002, { weight: 5 }) },
        { kind: 'server.edit', id, server: { ...server, weight: 7 } },
        { kind: 'zero', id },
        { kind: 'zero', id: { kind: 'fwmark', mark: 1, family: 'ipv4' } },
        { kind: 'timeouts', timeouts: { tcp: 100, udp: 0 } },
        { kind: 'service.delete', id: { kind: 'fwmark', mark: 1, family: 'ipv4' } },
        { kind: 'service.add', service: buildService({ id: { kind: 'pool', name: 'api' } }) },
      ]
      const results = await world.control.edit(edits, within())
      expect(results.map((result) => (result.ok ? 'ok' : result.errno))).toEqual(
        ['ESRCH', 'ok', 'EEXIST', 'ok', 'EEXIST', 'ENOENT', 'ok', 'ok', 'ok', 'ESRCH', 'ok', 'ESRCH', 'EINVAL'],
      ) // biome-ignore format: one line
      const { services, info } = await world.control.table(within())
      expect(services).toMatchObject([
        {
          service: { id, scheduler: 'rr' },
          servers: [{ server: { port: 1002, weight: 5 } }, { server: { weight: 7 } }],
        },
      ])
      expect(info.settings.timeouts).toEqual({ tcp: 100, tcpFin: 120, udp: 300 })
      expect((await world.control.status(within())).services).toMatchObject([{ name: 'tcp 127.0.0.1:8080' }])
    })

    test('what a cluster owns is not edited by hand, nor flushed; a reload leaves alone what was made by hand', async () => {
      await using world = await open()
      const byHand: ServiceId = { kind: 'fwmark', mark: 5, family: 'ipv4' }
      await world.control.putCluster({ cluster: 'shop', services: [buildWanted()] }, within())
      await world.control.edit([{ kind: 'service.add', service: buildService({ id: byHand }) }], within())
      const refusal = {
        ok: false,
        errno: 'EPERM',
        message: 'tcp 127.0.0.1:8080 belongs to shop/www',
        hint: 'change it in the file of shop',
      }
      const { id } = buildService()
      const edits: TableEdit[] = [
        { kind: 'service.add', service: buildService() },
        { kind: 'service.edit', service: buildService() },
        { kind: 'service.delete', id },
        { kind: 'server.add', id, server: buildServer(9) },
        { kind: 'server.delete', id, server: buildServer(1001) },
      ]
      expect(await world.control.edit(edits, within())).toEqual(edits.map(() => refusal))
      const keys = async (): Promise<string[]> =>
        (await world.control.table(within())).services.map(({ service }) => serviceKey(service.id)).sort()
      await world.control.putCluster({ cluster: 'shop', services: [buildWanted({ onFailure: 'remove' })] }, within())
      expect(await keys()).toEqual(['fwmark 5 ipv4', 'tcp 127.0.0.1:8080'])
      expect(await world.control.edit([{ kind: 'flush' }], within())).toEqual([{ ok: true }])
      expect(await keys()).toEqual(['tcp 127.0.0.1:8080'])
      await world.control.removeCluster('shop', within())
      expect(await world.control.edit(edits.slice(0, 1), within())).toEqual([{ ok: true }])
      await world.control.removeCluster('shop', within())
      expect(await keys()).toEqual(['tcp 127.0.0.1:8080'])
    })

    test('a cluster cannot take what was made by hand, and nothing is changed then', async () => {
      await using world = await open()
      await world.control.edit([{ kind: 'service.add', service: buildService({ scheduler: 'sh' }) }], within())
      const refused = world.control.putCluster({ cluster: 'shop', services: [buildWanted()] }, within())
      expect(await codeOf(refused)).toBe('invalid: tcp 127.0.0.1:8080 of shop/www was made by hand')
      expect((await world.control.table(within())).services).toMatchObject([
        { service: { scheduler: 'sh' }, servers: [] },
      ])
    })

    test('of a large table just some services can be had', async () => {
      await using world = await open()
      const mark = (mark: number): ServiceId => ({ kind: 'fwmark', mark, family: 'ipv4' })
      const edits = Array.from({ length: 600 }, (_, index): TableEdit => {
        return { kind: 'service.add', service: buildService({ id: mark(index + 1) }) }
      })
      expect((await world.control.edit(edits, within())).every(({ ok }) => ok)).toBe(true)
      expect((await world.control.table(within())).services).toHaveLength(600)
      const { services } = await world.control.table({ ...within(), only: [mark(7), mark(999)] })
      expect(services.map(({ service }) => service.id)).toEqual([mark(7)])
    })

    test('settings are those of the clusters, and of hands before them', async () => {
      await using world = await open()
      const settings = { timeouts: { tcp: 60, udp: 30 }, sysctls: { expire_nodest_conn: 1 } }
      await world.control.putCluster({ cluster: 'shop', services: [], settings }, within())
      const now = async (): Promise<Settings> => (await world.control.table(within())).info.settings
      expect((await now()).timeouts).toEqual({ tcp: 60, tcpFin: 120, udp: 30 })
      expect((await now()).sysctls.expire_nodest_conn).toBe(1)
      await world.control.edit([{ kind: 'timeouts', timeouts: { udp: 45 } }], within())
      await world.control.putCluster({ cluster: 'shop', services: [], settings }, within())
      expect((await now()).timeouts).toEqual({ tcp: 60, tcpFin: 120, udp: 45 })
      const other = { cluster: 'other', services: [], settings: { timeouts: { tcp: 61, tcpFin: 5 } } }
      expect(await codeOf(world.control.putCluster(other, within()))).toBe(
        'invalid: timeouts.tcp cannot be 61 for other: it is 60 for shop, in the same director',
      )
      await world.control.removeCluster('shop', within())
      await world.control.putCluster(other, within())
      expect(await now()).toMatchObject({
        timeouts: { tcp: 61, tcpFin: 5, udp: 45 },
        sysctls: { expire_nodest_conn: 0 },
      })
    })

    test('what happens is told in order, numbered, and only to whom it concerns', async () => {
      await using world = await open()
      const api = buildService({ id: { kind: 'address', protocol: 'tcp', address: '127.0.0.1', port: 81 } })
      await world.control.putCluster({ cluster: 'shop', services: [buildWanted()] }, within())
      await world.control.putCluster(
        { cluster: 'other', services: [buildWanted({ name: 'api', service: api, servers: [buildServer(1009)] })] },
        within(),
      )
      await world.control.drain({ endpoint: { address: '127.0.0.1', port: 1001 } }, within())
      const all = await kept(world, { after: 0 })
      expect(all.map(({ id }) => id)).toEqual(all.map((_, index) => index + 1))
      expect(all.at(-1)).toMatchObject({ event: { kind: 'server.drained', servers: 1 }, at: expect.any(String) })
      const kinds = async (query: Partial<EventQuery>): Promise<string[]> =>
        (await kept(world, query)).map(({ event }) => event.kind)
      const ofOther = ['service.added', 'server.added', 'service.state', 'cluster.put']
      expect(await kinds({ after: 0, cluster: 'other' })).toEqual(ofOther)
      expect(await kinds({ after: all.length - 1, cluster: 'shop' })).toEqual(['server.drained'])
      expect(await kinds({ after: all.length })).toEqual([])
      expect(await kinds({})).toEqual([])
      await world.control.removeCluster('other', within())
      expect(await kinds({ after: all.length, cluster: 'other' })).toEqual(['service.removed', 'cluster.removed'])
      // A number that was not given yet is one of a daemon before this one.
      expect((await kinds({ after: 1_000_000, cluster: 'other' })).slice(0, 4)).toEqual(ofOther)
    })

    test('who listens hears of what comes, until he has enough', async () => {
      await using world = await open()
      const enough = new AbortController()
      const heard: string[] = []
      const listening = (async () => {
        for await (const { event } of world.control.events({ after: 0, signal: enough.signal })) heard.push(event.kind)
      })()
      await world.control.putCluster({ cluster: 'shop', services: [] }, within())
      await expect.poll(() => heard).toEqual(['cluster.put'])
      await world.control.removeCluster('shop', within())
      await expect.poll(() => heard).toEqual(['cluster.put', 'cluster.removed'])
      enough.abort()
      await listening
    })

    test('without virtual routers there is none to hand over', async () => {
      await using world = await open()
      expect((await world.control.status(within())).routers).toEqual([])
      expect(await codeOf(world.control.handOver({ router: 'edge' }, within()))).toBe(
        'not-found: no virtual router edge runs here',
      )
      expect(await codeOf(world.control.handOver({ back: true }, within()))).toBe(
        'not-found: no virtual router runs here',
      )
    })

    test('a cluster that is not taken is told', async () => {
      await using world = await open()
      await world.control.putCluster({ cluster: 'shop', services: [buildWanted()] }, within())
      const { length } = await kept(world, { after: 0 })
      await codeOf(world.control.putCluster({ cluster: 'thief', services: [buildWanted()] }, within()))
      expect((await kept(world, { after: length })).map(({ event }) => event)).toEqual([
        {
          kind: 'cluster.refused',
          cluster: 'thief',
          reason: 'tcp 127.0.0.1:8080 of thief/www is taken by shop/www',
        },
      ])
    })
  })
}

async function kept({ control }: ControlUnderTest, query: Partial<EventQuery>): Promise<EventRecord[]> {
  const records: EventRecord[] = []
  for await (const record of control.events({ ...within(), ...query, follow: false })) records.push(record)
  return records
}
