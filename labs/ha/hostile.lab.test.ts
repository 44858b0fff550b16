/** A million datagrams that are no advertisements at a router: it stays what it is, and forgets them. */
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { receive } from '../../src/vrrp/machine/receive.ts'
import { RunningGroup } from '../../src/vrrp/running-group.ts'
import { encodeVrrp } from '../../src/wire/vrrp.ts'
import { StillGround } from '../../test/build/still-ground.ts'
import { router } from '../../test/build/vrrp.ts'
import { isRoot } from '../net/namespaces.ts'
import { hostileArrivals, victim } from './hostile.ts'
import { alone, Site, until } from './world.ts'

const million = 1_000_000
/** Through a real socket. */
const datagrams = Number(process.env['HA_LAB_DATAGRAMS'] ?? 20_000)
const group = '224.0.0.18'
const master = '10.99.0.9'
const own = { ...victim, addresses: [...victim.addresses] }

describe('hostile datagrams', () => {
  test.each(['backup', 'master'] as const)(
    'half a million at a %s change nothing, and leave nothing',
    (role) => {
      const ground = new StillGround()
      const config = router({ ...own, priority: 100 })
      const running = new RunningGroup(
        { name: 'edge', members: [{ config, holds: [], hasVirtualMac: false, accepts: true, tracked: [] }] },
        ground,
      )
      const packet = { version: 3, id: own.id, priority: 200, intervalMs: 1000, addresses: own.addresses } as const
      const payload = encodeVrrp(packet, master, group)
      const hearMaster = (): void =>
        running.hear(0, { path: 0, source: master, destination: group, hops: 255, payload, own: '10.99.0.1' })
      running.start()
      if (role === 'master') ground.pass(5000)
      else hearMaster()
      const [before, told] = [running.status()[0], ground.told.length]
      let [looked, accepted] = [0, 0]
      for (const arrival of hostileArrivals(role === 'master' ? 1 : 3)) {
        if (looked === million / 2) break
        looked += 1
        // A sum does not see all that is changed: some are advertisements by chance.
        if (receive(config, arrival).kind === 'accepted') accepted += 1
        else running.hear(0, arrival)
        if (looked % 1000 === 0) {
          ground.pass(100)
          if (role === 'backup') hearMaster()
        }
      }
      const [after] = running.status()
      console.log(`${role}: ${looked} datagrams, ${accepted} by chance right, ${ground.told.length - told} lines told`)
      expect(accepted).toBeLessThan(million / 100)
      expect(after).toMatchObject({ state: role, priority: before?.priority, faults: [] })
      expect(after?.master).toEqual(before?.master)
      expect(ground.told.slice(told).filter(({ kind }) => kind === 'vrrp.turned')).toEqual([])
      // At most 64 things that are wrong are kept, each told as often as its count has digits.
      expect(after?.troubles.length).toBeLessThanOrEqual(64)
      expect(after?.troubles.length).toBeGreaterThan(0)
      ground.pass(60_000)
      if (role === 'backup') hearMaster()
      expect(running.status()[0]?.troubles).toEqual([])
    },
    300_000,
  )

  test.runIf(isRoot())(
    'through a real socket the router stays master, answers, and does not grow',
    async () => {
      await using site = await Site.open(2)
      const baton = await site.baton(0, alone({ ...own, priority: 255, intervalMs: 200 }))
      await until('it is master', async () => (await site.holders('10.99.0.100')).join() === '0', 60_000)
      const memory = async (): Promise<number> =>
        Number(await site.run(0, 'cat', `/proc/${baton.pid}/statm`).then((text) => text.split(' ')[1])) * 4096
      await site.run(1, 'ip', 'route', 'add', '224.0.0.0/4', 'dev', 'eth0')
      const sender = [process.execPath, '--import', 'tsx', join(import.meta.dirname, 'hostile-sender.ts')]
      await site.run(1, ...sender, '2000')
      const before = await memory()
      const sent = Number(await site.run(1, ...sender, String(datagrams)))
      const [status] = await baton.status()
      console.log(`${sent} datagrams through a socket: ${((await memory()) - before) / 2 ** 20} MiB more than before`)
      expect(sent).toBeGreaterThan(datagrams / 2)
      expect(status).toMatchObject({ state: 'master', faults: [] })
      expect(status?.troubles.length).toBeGreaterThan(0)
      expect((await memory()) - before).toBeLessThan(64 * 2 ** 20)
      expect(await site.holders('10.99.0.100')).toEqual([0])
    },
    600_000,
  )
})
