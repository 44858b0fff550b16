import { describe, expect, test } from 'vitest'
import { router } from '../../test/build/vrrp.ts'
import { fakeEngine } from '../engines/fake/fake.ts'
import { InfraError } from '../errors.ts'
import type { RouterKind } from '../vrrp/machine/machine.ts'
import type { VrrpSpec } from '../vrrp/spec.ts'
import type { VrrpEvent } from '../vrrp/status.ts'
import type { Vrrp } from '../vrrp/vrrp.ts'
import { throwIfUnacceptable } from './acceptable.ts'
import type { ClusterServices } from './control.ts'
import { virtualRouters } from './virtual-routers.ts'

const options = { signal: AbortSignal.timeout(10_000) }
const config = router({ name: 'shop/edge' })
const vrrp: VrrpSpec = {
  groups: [{ name: 'shop/edge', members: [{ config, holds: [], hasVirtualMac: false, accepts: true, tracked: [] }] }],
}
const shop: ClusterServices = { cluster: 'shop', services: [], vrrp }

type Thread = { readonly asked: string[]; fails: boolean; opened: number; closed: number }

function world() {
  const thread: Thread = { asked: [], fails: false, opened: 0, closed: 0 }
  const answer = <T>(what: string, value: T): Promise<T> => {
    thread.asked.push(what)
    if (thread.fails) return Promise.reject(new InfraError('failed', 'the thread vrrp ended', { subject: 'vrrp' }))
    return Promise.resolve(value)
  }
  let hear: (event: VrrpEvent) => void = () => {}
  const sides: string[] = []
  const open = (onEvent: (event: VrrpEvent) => void): Promise<Vrrp> => {
    thread.opened += 1
    hear = onEvent
    return Promise.resolve({
      apply: (spec) => answer(`apply ${spec.groups.length}`, []),
      status: () => answer('status', []),
      yield: (name) => answer(`yield ${name}`, 1),
      resume: (name) => answer(`resume ${name}`, 1),
      track: (name, state) => answer(`track ${name} ${state}`, undefined),
      [Symbol.asyncDispose]: async () => void (thread.closed += 1),
    })
  }
  const onSides = (): void => void sides.push(routers.syncSides('shop').join())
  const routers = virtualRouters({ onEvent: () => {}, openVrrp: open, allowBind: () => [], onSides })
  const turn = (name: string, to: RouterKind): void =>
    hear({ kind: 'vrrp.turned', router: name, id: 1, from: 'backup', to, reason: 'it is a test', priority: 100 })
  return { thread, routers, turn, sides }
}

describe('the virtual routers of a director', () => {
  test('without any no thread begins; with the first one it does, and is told how services stand', async () => {
    const { thread, routers } = world()
    await routers.follow([{ cluster: 'shop', services: [] }])
    expect(thread.opened).toBe(0)
    routers.heed({ kind: 'service.state', cluster: 'shop', service: 'www', from: 'absent', to: 'unserved' })
    await routers.follow([shop])
    routers.heed({ kind: 'service.state', cluster: 'shop', service: 'www', from: 'unserved', to: 'served' })
    await routers.follow([shop])
    expect(thread.asked).toEqual(['track service shop/www ill', 'apply 1', 'track service shop/www well'])
    await routers[Symbol.asyncDispose]()
    expect(thread.closed).toBe(1)
  })

  test('a hand-over means a router by its name, with or without its cluster, or all', async () => {
    const { thread, routers } = world()
    await routers.follow([shop])
    expect(await routers.handOver({ router: 'edge' }, options)).toBe(1)
    await routers.handOver({ back: true }, options)
    expect(thread.asked.slice(1)).toEqual(['yield shop/edge', 'resume undefined'])
    await expect(routers.handOver({ router: 'other' }, options)).rejects.toThrow('no virtual router other runs here')
    await routers[Symbol.asyncDispose]()
  })

  test('a master tells its connections, a backup takes them; without a router one does both', async () => {
    const { routers, turn, sides } = world()
    expect(routers.syncSides('shop')).toEqual(['master', 'backup'])
    routers.prepare([shop])
    expect(routers.syncSides('shop')).toEqual(['backup'])
    expect(routers.syncSides('other')).toEqual(['master', 'backup'])
    await routers.follow([shop])
    turn('shop/edge', 'master')
    turn('shop/edge', 'fault')
    const inner = {
      ...vrrp.groups[0],
      name: 'shop/inner',
      members: [
        { config: router({ name: 'shop/inner' }), holds: [], hasVirtualMac: false, accepts: true, tracked: [] },
      ],
    }
    routers.prepare([{ ...shop, vrrp: { groups: [...vrrp.groups, inner] } }])
    turn('shop/inner', 'master')
    turn('shop/edge', 'master')
    expect(sides).toEqual(['master', 'backup', 'master,backup', 'master'])
    await routers[Symbol.asyncDispose]()
  })

  test('without a router there is nothing to hand over', async () => {
    const { routers } = world()
    await expect(routers.handOver({}, options)).rejects.toMatchObject({ code: 'not-found' })
    await routers[Symbol.asyncDispose]()
  })

  test('two clusters cannot have one id on a link', () => {
    const other = { ...shop, cluster: 'other' }
    const judge = (clusters: readonly ClusterServices[]) => () =>
      throwIfUnacceptable(fakeEngine(), other, clusters, { services: new Map(), daemons: () => [] })
    expect(judge([shop])).toThrow('virtual router 51 on eth0 of shop/edge is taken by shop/edge')
    expect(judge([other])).not.toThrow()
  })

  test('a thread that has died is a problem, and another one begins', async () => {
    const { thread, routers } = world()
    await routers.follow([shop])
    thread.fails = true
    expect(await routers.status(options)).toEqual([])
    expect(routers.problems().join()).toContain('the thread vrrp ended')
    thread.fails = false
    await routers.follow([{ ...shop, vrrp: { groups: [...vrrp.groups, ...vrrp.groups] } }])
    expect(thread).toMatchObject({ opened: 2, closed: 1 })
    expect(routers.problems()).toEqual([])
    await routers[Symbol.asyncDispose]()
  })
})
