import { setTimeout as sleep } from 'node:timers/promises'
import { describe, expect, test } from 'vitest'
import { buildService } from '../../../test/build/services.ts'
import { buildSites, type FakeSite, type FakeSites } from '../../../test/build/sites.ts'
import { buildPool, buildServiceSpec, buildSpec } from '../../../test/build/spec.ts'
import type { ServerStatus } from '../../director/control.ts'
import { makePlan, run } from '../converge.ts'
import type { Site } from '../site.ts'
import type { ClusterSpec } from '../spec/model.ts'
import { type Membership, openMembership } from './membership.ts'

const within = (): { signal: AbortSignal } => ({ signal: AbortSignal.timeout(10_000) })
const options = () => ({ ...within(), progress: () => {} })

type World = AsyncDisposable & { readonly site: FakeSite; readonly sites: FakeSites; readonly membership: Membership }

/** Two guests behind a service, all up. */
async function openWorld(spec: ClusterSpec = buildSpec()): Promise<World> {
  const sites = buildSites(spec)
  const plan = await makePlan(spec, sites.sites, 'up', within())
  const { failed } = await run(plan, spec, sites.sites, 'up', within())
  if (failed[0] !== undefined) throw failed[0].error
  const site = [...sites.sites.values()][0] as FakeSite
  return {
    site,
    sites,
    membership: openMembership(spec, sites.sites),
    [Symbol.asyncDispose]: () => sites[Symbol.asyncDispose](),
  }
}

async function servers({ director }: Site): Promise<Record<string, number | undefined>> {
  const { services } = await director.control.status(within())
  return Object.fromEntries(
    services.flatMap((service) => service.servers.map(({ guest, port, weight }) => [guest ?? port, weight])),
  )
}

describe('guests that leave their services and come back', () => {
  test('a guest gets no new connections, is waited for until its last one has ended, and is out then', async () => {
    await using world = await openWorld()
    const { site, membership } = world
    const { services } = await site.director.control.status(within())
    const server = services[0]?.servers.find(({ guest }) => guest === 'web-1')
    const connection = site.engine()?.traffic.connect(buildService().id, server === undefined ? {} : { server })
    expect(connection).toBeDefined()
    let left = false
    const leaving = membership.leave('web-1', options()).then(() => {
      left = true
    })
    await sleep(150)
    expect(left).toBe(false)
    expect(await servers(site)).toEqual({ 'web-1': 0, 'web-2': 1 })
    connection?.close()
    await leaving
    expect(await servers(site)).toEqual({ 'web-2': 1 })
  })

  test('a pool says for how long its connections are waited for, and a start ends what drained it until then', async () => {
    const spec = buildSpec()
    const pool = spec.guests['web']
    if (pool === undefined) throw new Error('the spec has no pool web')
    await using world = await openWorld({ ...spec, guests: { ...spec.guests, web: { ...pool, drainMs: 0 } } })
    const { site, membership } = world
    const [server] = (await site.director.control.status(within())).services[0]?.servers ?? []
    site.engine()?.traffic.connect(buildService().id, server === undefined ? {} : { server })
    await membership.leave('web-1', { signal: AbortSignal.timeout(5_000), progress: () => {} })
    expect(await servers(site)).toEqual({ 'web-2': 1 })
    await site.director.control.drain({ guest: 'web-2', until: 'start' }, within())
    expect(await servers(site)).toEqual({ 'web-2': 0 })
    await membership.started('web-2', options())
    expect(await servers(site)).toEqual({ 'web-2': 1 })
  })

  test('two that leave at once both stay away, whatever is put in between, until they may return', async () => {
    await using world = await openWorld()
    const { site, membership } = world
    await Promise.all([
      membership.leave('web-1', options()),
      membership.apply(site.director, options()),
      membership.leave('web-2', options()),
    ])
    await membership.apply(site.director, options())
    expect(await servers(site)).toEqual({})
    membership.mayReturn('web-2')
    await membership.apply(site.director, options())
    expect(await servers(site)).toEqual({ 'web-2': 1 })
  })

  test('a guest that has died but still counts as healthy is out until it is back', async () => {
    await using world = await openWorld()
    const { site, membership } = world
    await site.hypervisor.crash('web-1')
    await membership.forget('web-1', options())
    expect(await servers(site)).toEqual({ 'web-2': 1 })
  })

  test('a host without a director is no hindrance', async () => {
    const spec = buildSpec({ services: [] })
    await using world = await openWorld(spec)
    await world.membership.leave('web-1', options())
    await world.membership.forget('web-1', options())
    expect(world.site.engine()).toBeUndefined()
  })

  test('a running guest that is reached nowhere is waited for, and named in the end', async () => {
    await using world = await openWorld()
    const spec = buildSpec({
      services: [buildServiceSpec('www', { servers: [{ kind: 'guests', guests: 'web', port: 81, weight: 1 }] })],
    })
    const membership = openMembership(spec, world.sites.sites)
    const said: string[] = []
    await expect(
      membership.apply(world.site.director, {
        signal: AbortSignal.timeout(100),
        progress: (text) => void said.push(text),
      }),
    ).rejects.toMatchObject({ code: 'timeout', message: 'no address is known of web-1, web-2' })
    expect(said).toContain('waiting for the address of web-1, web-2')
    // Meanwhile each serves from where it was.
    expect(await servers(world.site)).toEqual({ 'web-1': 1, 'web-2': 1 })
  })

  test('a stopped guest is not waited for', async () => {
    await using world = await openWorld(buildSpec({ guests: [buildPool('web', { count: 1 })] }))
    await world.site.hypervisor.powerOff('web-1')
    await world.membership.apply(world.site.director, options())
    expect(await servers(world.site)).toEqual({ 'web-1': 1 })
  })

  test('what is not healthy in time is named with what its check said', async () => {
    await using world = await openWorld()
    const { director } = world.site
    const sick: Pick<ServerStatus, 'health' | 'detail'> = { health: 'unhealthy', detail: 'connection refused' }
    const status: Site['director']['control']['status'] = async (options) => {
      const now = await director.control.status(options)
      const worsen = (server: ServerStatus) => (server.guest === 'web-2' ? { ...server, ...sick } : server)
      return { ...now, services: now.services.map((one) => ({ ...one, servers: one.servers.map(worsen) })) }
    }
    const sickDirector = { ...director, control: { ...director.control, status } }
    const soon = { signal: AbortSignal.timeout(50), progress: () => {} }
    await expect(world.membership.untilHealthy(sickDirector, soon)).rejects.toMatchObject({
      code: 'timeout',
      message: 'not healthy: web-2 (connection refused)',
    })
    await world.membership.untilHealthy(sickDirector, options(), 'web-1')
  })
})
