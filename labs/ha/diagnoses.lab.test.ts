/** What is wrong between two routers, as it stands in the status of both: in an operator's words, with the other one's address. */
import { describe, expect, test } from 'vitest'
import type { RouterConfig } from '../../src/vrrp/machine/config.ts'
import { isRoot } from '../net/namespaces.ts'
import { alone, type BatonRouter, Site, until } from './world.ts'

/** Nothing of VRRP comes in. */
const deaf = 'table inet deaf {\nchain deaf {\ntype filter hook input priority filter\nmeta l4proto 112 drop\n}\n}'
const intervalMs = 200

type Case = {
  readonly name: string
  readonly other: Partial<RouterConfig>
  readonly firewall?: string
  readonly says: string
}
const cases: readonly Case[] = [
  {
    name: 'a split brain',
    other: {},
    firewall: deaf,
    says: 'split brain: 10.99.0.2 on eth0 is master of virtual router 51 (edge), too (priority 100), and goes on although this one advertises: it does not hear this machine',
  },
  {
    name: 'lists of addresses that differ',
    other: { addresses: ['10.99.0.100', '10.99.0.101'] },
    says: '10.99.0.2 on eth0 advertises other addresses for virtual router 51 (edge) than this machine: with 10.99.0.101; give both the same list; both are master until that is put right',
  },
  {
    name: 'an id twice',
    other: { addresses: ['10.99.0.200'] },
    says: 'virtual router 51 (edge) is taken: 10.99.0.2 on eth0 uses it for 10.99.0.200; give one of the two another id; both are master until that is put right',
  },
]

describe.runIf(isRoot())('what is wrong between two routers', () => {
  test.each(cases)('$name: is told, and over when it is', async ({ other, firewall, says }) => {
    await using site = await Site.open(2)
    const troubles = async (router: BatonRouter): Promise<string> =>
      ((await router.status())[0]?.troubles ?? []).join('\n')
    const first = await site.baton(0, alone({ intervalMs, priority: 150 }))
    await until('the first is master', async () => (await first.status())[0]?.state === 'master')
    if (firewall !== undefined) await site.run(1, 'nft', firewall)
    const second = await site.baton(1, alone({ intervalMs, priority: 100, ...other }))
    await until('both are master', async () => (await second.status())[0]?.state === 'master')
    await until('it is told', async () => (await troubles(first)).includes(says))
    // As an event, too: at first, and each time that it has come ten times as often.
    const told = first.said.filter((one) => one.kind === 'vrrp.trouble' && one.trouble.includes(says))
    expect(told.length).toBeGreaterThan(0)
    expect(told.length).toBeLessThan(4)

    if (firewall === undefined) second.order({ kind: 'apply', spec: alone({ intervalMs, priority: 100 }) })
    else await site.run(1, 'nft', 'delete', 'table', 'inet', 'deaf')
    await until('one is master', async () => (await site.holders('10.99.0.100')).join() === '0')
    await until('nothing is wrong any more', async () => (await troubles(first)) === '')
  })
})
