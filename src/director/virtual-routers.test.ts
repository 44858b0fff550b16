import { describe, expect, test } from 'vitest'
import { router } from '../../test/build/vrrp.ts'
import { fakeEngine } from '../engines/fake/fake.ts'
import { InfraError } from '../errors.ts'
import type { VrrpSpec } from '../vrrp/spec.ts'
import type { Vrrp } from '../vrrp/vrrp.ts'
import { throwIfUnacceptable } from './acceptable.ts'
import type { ClusterServices } from './control.ts'
import { virtualRouters } from './virtual-routers.ts'

const options = { signal: AbortSignal.timeout(10_000) }
const config = router({ name: 'shop/edge' })
const vrrp: VrrpSpec = {
  groups: [{ name: 'shop/edge', members: [{ config, holds: [], hasVirtualMac: false, tracked: [] }] }],
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
  const open = (): Promise<Vrrp> => {
    thread.opened += 1
    return Promise.resolve({
      apply: (spec) => answer(`apply ${spec.groups.length}`, []),
      status: () => answer('status', []),
      yield: (name) => answer(`yield ${name}`, 1),
      resume: (name) => answer(`resume ${name}`, 1),
      track: (name, state) => answer(`track ${name} ${state}`, undefined),
      [Symbol.asyncDispose]: async () => void (thread.closed += 1),
    })
  }
  return { thread, routers: virtualRouters({ onEvent: () => {}, openVrrp: open }) }
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
