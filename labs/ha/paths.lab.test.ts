/** Routers that hear each other on two ways: one that leads nowhere, though its cable is in, makes no second master. */
import { describe, expect, test } from 'vitest'
import { isRoot } from '../net/namespaces.ts'
import { alone, Site, until } from './world.ts'

const intervalMs = 200
const group = '224.0.0.18'
const address = '10.99.0.100'
const deafOn = (device: string): string =>
  `table inet deaf-${device} {\nchain deaf {\ntype filter hook input priority filter\niifname ${device} meta l4proto 112 drop\n}\n}`

describe.runIf(isRoot())('two ways', () => {
  test('the second one is enough; without both there are two masters', async () => {
    await using site = await Site.open(2)
    for (const at of [0, 1]) await site.join(at, 'eth1', 'br1', `10.98.0.${at + 1}/24`)
    const to = { kind: 'multicast' as const, group }
    const paths = [
      { interface: 'eth0', to },
      { interface: 'eth1', to },
    ] as const
    const first = await site.baton(0, alone({ intervalMs, priority: 150, paths }))
    await until('the first is master', async () => (await site.holders(address)).join() === '0')
    const second = await site.baton(1, alone({ intervalMs, priority: 100, paths }))
    const heardFrom = async (): Promise<string | undefined> => (await second.status())[0]?.master?.address
    await until('the second hears it', async () => (await heardFrom()) !== undefined)

    for (const at of [0, 1]) await site.run(at, 'nft', deafOn('eth0'))
    // Longer than it would wait for a master: only the other way tells it that there is one.
    await until('it is heard on eth1', async () => (await heardFrom()) === '10.98.0.1')
    const [before] = await second.status()
    await until(
      'for long',
      async () => ((await second.status())[0]?.forMs ?? 0) > (before?.forMs ?? 0) + 10 * intervalMs,
    )
    expect((await second.status())[0]).toMatchObject({ state: 'backup', master: { address: '10.98.0.1' } })
    expect(await site.holders(address)).toEqual([0])
    expect(second.said.filter((one) => one.kind === 'vrrp.turned' && one.to === 'master')).toEqual([])

    for (const at of [0, 1]) await site.run(at, 'nft', deafOn('eth1'))
    await until('nothing is heard any more', async () => (await site.holders(address)).join() === '0,1')
    for (const at of [0, 1]) await site.run(at, 'nft', 'flush', 'ruleset')
    await until('one of them is master again', async () => (await site.holders(address)).join() === '0')
    expect((await first.status())[0]).toMatchObject({ state: 'master', faults: [] })
  })
})
