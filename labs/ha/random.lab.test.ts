/** Three routers, of which one is keepalived, through a random run of hand-overs, cut cables, kills and new starts. */
import { describe, expect, test } from 'vitest'
import { seededRandom } from '../ipvs/random/chance.ts'
import { isRoot } from '../net/namespaces.ts'
import { alone, type BatonRouter, type Keepalived, Site, until } from './world.ts'

const address = '10.99.0.100'
const intervalMs = 200
const steps = 100
/** One that hears another gives way at once; the machine may be busy. */
const overlapMs = 500

const ours = (at: number) => alone({ intervalMs, priority: 150 - 30 * at })
const theirs = `vrrp_instance edge {
  interface eth0
  state BACKUP
  version 3
  virtual_router_id 51
  priority 120
  advert_int ${intervalMs / 1000}
  virtual_ipaddress {
    ${address}/24
  }
}`

const wait = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms))

describe.runIf(isRoot())('three routers of one id', () => {
  test('whatever happens, no two are master beside each other', { timeout: 600_000 }, async () => {
    await using site = await Site.open(3)
    const random = seededRandom(Number(process.env['HA_LAB_SEED'] ?? 1))
    const batons = new Map<number, BatonRouter>()
    let keepalived: Keepalived | undefined = await site.keepalived(1, theirs)
    for (const at of [0, 2]) batons.set(at, await site.baton(at, ours(at)))
    const cut = new Set<number>()
    const seen: string[] = []
    const counts = { looks: 0, none: 0, one: 0 }

    const look = async (): Promise<void> => {
      let holders = await site.holders(address)
      if (holders.length > 1) {
        await wait(overlapMs)
        holders = await site.holders(address)
      }
      counts.looks += 1
      if (holders.length === 0) counts.none += 1
      else counts.one += 1
      expect(holders.length, seen.join(', ')).toBeLessThan(2)
    }
    const acts: readonly (readonly [string, () => Promise<void>])[] = [
      ['hand over', async () => batons.get(0)?.order({ kind: 'yield' })],
      ['take back', async () => batons.get(0)?.order({ kind: 'resume' })],
      ...[0, 1, 2].map(
        (at) =>
          [
            `cable ${at}`,
            async () => {
              await site.cable(at, cut.has(at) ? 'up' : 'down')
              if (!cut.delete(at)) cut.add(at)
            },
          ] as const,
      ),
      [
        'end or begin keepalived',
        async () => {
          await keepalived?.end()
          keepalived = keepalived === undefined ? await site.keepalived(1, theirs) : undefined
        },
      ],
      [
        'kill Baton, and begin again',
        async () => {
          const baton = batons.get(2)
          await baton?.kill()
          // As if the machine had died: what it had is gone.
          await site.run(2, 'ip', 'address', 'flush', 'dev', 'eth0', 'to', address)
          batons.set(2, await site.baton(2, ours(2)))
        },
      ],
    ]
    for (let step = 0; step < steps; step++) {
      const [name, act] = random.pick(acts)
      seen.push(name)
      await act()
      await wait(random.below(1000))
      await look()
    }
    console.log(`${steps} events: ${counts.looks} looks, one master in ${counts.one}, none yet in ${counts.none}`)
    for (const at of cut) await site.cable(at, 'up')
    batons.get(0)?.order({ kind: 'resume' })
    await until(
      'the highest priority is master in the end',
      async () => (await site.holders(address)).join() === '0',
      30_000,
    )
    const status = await batons.get(0)?.status()
    expect(status?.[0]).toMatchObject({ state: 'master', faults: [] })
  })
})
