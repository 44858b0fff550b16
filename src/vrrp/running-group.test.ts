import { describe, expect, test } from 'vitest'
import { StillGround } from '../../test/build/still-ground.ts'
import { router } from '../../test/build/vrrp.ts'
import { encodeVrrp } from '../wire/vrrp.ts'
import type { RouterConfig } from './machine/config.ts'
import { RunningGroup } from './running-group.ts'
import type { GroupSpec, RouterSpec } from './spec.ts'

const group = '224.0.0.18'

function specOf(changes: Partial<RouterConfig> = {}, rest: Partial<RouterSpec> = {}): GroupSpec {
  const config = router(changes)
  const holds = config.addresses.map((address) => ({ address, prefix: 24, interface: 'eth0' }))
  return { name: 'edge', members: [{ config, holds, hasVirtualMac: false, accepts: true, tracked: [], ...rest }] }
}

function begin(spec: GroupSpec): {
  ground: StillGround
  running: RunningGroup
  hear: (priority: number, addresses?: string[]) => void
} {
  const ground = new StillGround()
  const running = new RunningGroup(spec, ground)
  running.start()
  return {
    ground,
    running,
    hear(priority, addresses = ['10.0.0.100']) {
      const source = '10.0.0.2'
      const packet = { version: 3 as const, id: 51, priority, intervalMs: 1000, addresses }
      const payload = encodeVrrp(packet, source, group)
      running.hear(0, { path: 0, source, destination: group, hops: 255, own: '10.0.0.1', payload })
    },
  }
}

describe('a group that runs', () => {
  test('it becomes master when nobody is heard, advertises, and resigns before its addresses go', () => {
    const { ground, running } = begin(specOf())
    ground.pass(5700)
    expect(ground.done).toEqual(['advertise 100', 'claim 10.0.0.100', 'announce 5', 'advertise 100', 'advertise 100'])
    running.stop()
    expect(ground.done.slice(-2)).toEqual(['advertise 0', 'release 10.0.0.100'])
    ground.pass(60_000)
    expect(ground.done.slice(-1)).toEqual(['release 10.0.0.100'])
  })

  test('who is heard decides, and is told', () => {
    const { ground, running, hear } = begin(specOf())
    ground.pass(4000)
    hear(200)
    expect(running.status()[0]).toMatchObject({ state: 'backup', master: { address: '10.0.0.2', priority: 200 } })
    expect(ground.told.at(-1)).toMatchObject({ kind: 'vrrp.turned', to: 'backup', reason: '10.0.0.2 has priority 200' })
  })

  test('its priority is told when what is tracked moves it, and a master of lower priority once in an interval', () => {
    const track = {
      kind: 'command',
      argv: ['/bin/true'],
      everyMs: 1000,
      timeoutMs: 1000,
      rise: 1,
      fall: 1,
      weight: 10,
    } as const
    const { ground, running, hear } = begin(specOf({}, { tracked: [track] }))
    running.track('command /bin/true', 'well')
    expect(ground.told.at(-1)).toMatchObject({ kind: 'vrrp.priority', role: 'backup', from: 100, to: 110 })
    ground.pass(4000)
    running.track('command /bin/true', 'ill')
    expect(ground.told.at(-1)).toMatchObject({ kind: 'vrrp.priority', role: 'master', from: 110, to: 100 })
    const contested = (): number => ground.told.filter(({ kind }) => kind === 'vrrp.contested').length
    for (let time = 0; time < 3; time++) hear(50)
    expect(contested()).toBe(1)
    ground.pass(1000)
    hear(50)
    expect(contested()).toBe(2)
    expect(ground.told.findLast(({ kind }) => kind === 'vrrp.contested')).toMatchObject({
      by: '10.0.0.2',
      priority: 50,
      own: 100,
    })
  })

  test('with another interval or other peers it is the same router, on another interface it is not', () => {
    const { ground, running } = begin(specOf())
    ground.pass(4000)
    expect(running.adopt(specOf({ intervalMs: 100 }))).toBe(true)
    ground.done.length = 0
    ground.pass(2000)
    expect(ground.done.filter((what) => what === 'advertise 100').length).toBeGreaterThanOrEqual(10)
    expect(ground.done).not.toContain('advertise 0')
    const paths = [{ interface: 'eth1', to: { kind: 'multicast', group } }] as const
    expect(running.adopt(specOf({ paths }))).toBe(false)
  })

  test('what is wrong is told once, stands in the status while it lasts, and is over afterwards', () => {
    const { ground, running, hear } = begin(specOf())
    for (let second = 0; second < 8; second++) {
      hear(200, ['10.0.0.101'])
      ground.pass(1000)
    }
    expect(ground.told.filter(({ kind }) => kind === 'vrrp.trouble')).toHaveLength(1)
    expect(running.status()[0]?.troubles.join()).toContain('is taken: 10.0.0.2')
    ground.pass(20_000)
    expect(running.status()[0]?.troubles).toEqual([])
  })

  test('what cannot be done is told when it is new, and no more when it could', () => {
    const { ground, running } = begin(specOf())
    ground.troubles = ['there is no interface eth0']
    ground.pass(8000)
    expect(ground.told.filter(({ kind }) => kind === 'vrrp.trouble').length).toBeLessThanOrEqual(3)
    expect(running.status()[0]?.troubles).toContain('there is no interface eth0')
    ground.troubles = []
    ground.pass(6000)
    running.restore()
    expect(running.status()[0]?.troubles).toEqual([])
  })

  test('it waits for what is tracked without a weight, and leaves when that is ill', () => {
    const { ground, running } = begin(specOf({}, { tracked: [{ kind: 'interface', interface: 'eth1' }] }))
    ground.pass(10_000)
    expect(running.status()[0]).toMatchObject({ state: 'fault', faults: ['interface eth1 is not known yet'] })
    running.track('interface eth1', 'well')
    ground.pass(4000)
    expect(running.isMaster()).toBe(true)
    running.track('interface eth1', 'ill')
    expect(ground.done.slice(-2)).toEqual(['advertise 0', 'release 10.0.0.100'])
  })

  test('what is tracked in reverse counts the other way round', () => {
    const tracked = [
      { kind: 'interface', interface: 'eth1', weight: -20, isReversed: true },
      { kind: 'interface', interface: 'eth2', isReversed: true },
    ] as const
    const { running } = begin(specOf({}, { tracked }))
    running.track('interface eth1', 'ill')
    running.track('interface eth2', 'ill')
    expect(running.status()[0]).toMatchObject({ priority: 120, faults: [] })
    running.track('interface eth2', 'well')
    expect(running.status()[0]?.faults).toEqual(['interface eth2 does not fail'])
  })

  test('other addresses are taken over without a change of role; another id is another router', () => {
    const { ground, running } = begin(specOf())
    ground.pass(4000)
    expect(running.adopt(specOf({ addresses: ['10.0.0.100', '10.0.0.101'], priority: 90 }))).toBe(true)
    expect(ground.done.slice(-3)).toEqual(['release ', 'claim 10.0.0.100 10.0.0.101', 'announce 5'])
    ground.pass(1000)
    expect(ground.done.at(-1)).toBe('advertise 90')
    expect(running.adopt(specOf({ id: 52 }))).toBe(false)
  })
})
