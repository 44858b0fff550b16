import { describe, expect, test } from 'vitest'
import { buildSites } from '../../test/build/sites.ts'
import { buildPool, buildSpec } from '../../test/build/spec.ts'
import { InfraError } from '../errors.ts'
import { makePlan, run } from './converge.ts'
import { observe } from './observe.ts'
import type { Site } from './site.ts'

const within = (): { signal: AbortSignal } => ({ signal: AbortSignal.timeout(10_000) })

const three = buildSpec({
  hosts: ['h1', 'h2', 'h3'].map((name) => ({ name, hypervisor: 'fake' })),
  guests: [buildPool('web', { host: 'h2' })],
})

const broken = (site: Site, error: Error): Site => ({
  ...site,
  hypervisor: { ...site.hypervisor, list: () => Promise.reject(error) },
})

describe('asking the hosts', () => {
  test('every host is told apart, in the order of the file, with what it has', async () => {
    await using world = buildSites(three)
    await run(await makePlan(three, world.sites, 'up', within()), three, world.sites, 'up', within())
    const { hosts, digests, built } = await observe(three, world.sites, within())
    expect([...hosts].map(([name, { guests }]) => [name, ...guests.map(({ definition }) => definition.name)])).toEqual([
      ['h1'],
      ['h2', 'web-1', 'web-2'],
      ['h3'],
    ])
    expect(hosts.get('h1')?.director).toMatchObject({ engine: 'fake', servesOthers: false, unwell: [] })
    expect(hosts.get('h1')?.director?.services?.services.map(({ name }) => name)).toEqual(['www'])
    expect([...digests.keys()]).toEqual(['tiny'])
    expect([...built]).toEqual([`h2/${digests.get('tiny')}`])
  })

  test('no director is an answer; a director that cannot be asked is an error with the name of its host', async () => {
    await using world = buildSites(three)
    expect((await observe(three, world.sites, within())).hosts.get('h1')?.director).toBeUndefined()
    const sites = new Map<string, Site>(world.sites)
    const site = world.sites.get('h2')
    if (site === undefined) throw new Error('no h2')
    const status = (): Promise<never> =>
      Promise.reject(new InfraError('unreachable', 'the director ended', { subject: 'h2', retryable: true }))
    sites.set('h2', { ...site, director: { ...site.director, control: { ...site.director.control, status } } })
    await expect(observe(three, sites, within())).rejects.toMatchObject({
      code: 'unreachable',
      message: 'could not ask h2: the director ended',
      retryable: true,
    })
  })

  test('all hosts that could not be asked are named at once', async () => {
    await using world = buildSites(three)
    const failing = ['h1', 'h3']
    const sites = new Map(
      [...world.sites].map(([name, site]): [string, Site] => [
        name,
        failing.includes(name)
          ? broken(site, new InfraError('missing-tool', 'no qemu', { subject: name, hint: 'install it' }))
          : site,
      ]),
    )
    await expect(observe(three, sites, within())).rejects.toMatchObject({
      code: 'missing-tool',
      message: expect.stringMatching(/^could not ask h[13]: no qemu; h[13]: no qemu$/) as string,
      hint: 'install it',
    })
  })

  test('an image whose file is missing is an error with the name of the host that needs it', async () => {
    await using world = buildSites(three)
    const site = world.sites.get('h2')
    if (site === undefined) throw new Error('no h2')
    const digest = (): Promise<never> =>
      Promise.reject(new InfraError('not-found', 'cannot read ./x', { subject: './x' }))
    const sites = new Map<string, Site>(world.sites).set('h2', { ...site, images: { ...site.images, digest } })
    await expect(observe(three, sites, within())).rejects.toMatchObject({
      message: 'could not ask h2: cannot read ./x',
    })
  })

  test('hosts on one machine are asked for their director once, and the directing host stands for all', async () => {
    await using world = buildSites(three)
    const director = world.sites.get('h2')?.director
    if (director === undefined) throw new Error('no h2')
    const sites = new Map([...world.sites].map(([name, site]): [string, Site] => [name, { ...site, director }]))
    const spec = { ...three, directors: { hosts: ['h2'], engine: 'fake' } } as const
    await director.launch({ engine: 'fake' }, 'shop', within())
    const { hosts } = await observe(spec, sites, within())
    expect([...hosts].map(([name, one]) => [name, one.director?.engine, one.sharesDirectorOf])).toEqual([
      ['h1', undefined, 'h2'],
      ['h2', 'fake', undefined],
      ['h3', undefined, 'h2'],
    ])
  })

  test('five hundred hosts are asked side by side, but never more than some at once', async () => {
    const spec = buildSpec({
      hosts: Array.from({ length: 500 }, (_, index) => ({ name: `h${index}`, hypervisor: 'fake' })),
      guests: [],
    })
    await using world = buildSites(spec)
    let asking = 0
    let most = 0
    const sites = new Map(
      [...world.sites].map(([name, site]): [string, Site] => {
        const list: Site['hypervisor']['list'] = async (options) => {
          asking += 1
          most = Math.max(most, asking)
          await new Promise((resolve) => setTimeout(resolve, 2))
          asking -= 1
          return site.hypervisor.list(options)
        }
        return [name, { ...site, hypervisor: { ...site.hypervisor, list } }]
      }),
    )
    expect((await observe(spec, sites, within())).hosts.size).toBe(500)
    expect(most).toBeGreaterThan(8)
    expect(most).toBeLessThanOrEqual(32)
  })
})
