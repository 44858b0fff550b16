import { describe, expect, test } from 'vitest'
import { masterDownMs } from '../../src/vrrp/machine/timers.ts'
import { isRoot } from '../net/namespaces.ts'
import { addressOf, type Kind, ours, theirs } from './instance.ts'
import { Site, until } from './world.ts'

const kinds: readonly Kind[] = [
  { name: 'version 2', version: 2, family: 'ipv4', intervalMs: 1000 },
  { name: 'version 2 with a password', version: 2, family: 'ipv4', intervalMs: 1000, password: 'secret' },
  { name: 'version 3, each 500 ms', version: 3, family: 'ipv4', intervalMs: 500 },
  { name: 'version 3 over IPv6', version: 3, family: 'ipv6', intervalMs: 1000 },
  { name: 'version 3 among peers', version: 3, family: 'ipv4', intervalMs: 1000, isUnicast: true },
  { name: 'version 3 over IPv6 among peers', version: 3, family: 'ipv6', intervalMs: 500, isUnicast: true },
]

const stands = async (site: Site, address: string, places: readonly number[]): Promise<boolean> =>
  (await site.holders(address)).join() === places.join()

describe.runIf(isRoot())('Baton and keepalived as routers of one id', () => {
  test.each(kinds)('$name: election, kill of either one, hand-over, change of priority', async (kind) => {
    await using site = await Site.open(2)
    const address = addressOf[kind.family]
    const at = (what: string, ...places: number[]): Promise<number> =>
      until(what, () => stands(site, address, places), 30_000)
    let keepalived = await site.keepalived(1, theirs(kind, 100))
    await at('keepalived alone has the address', 1)
    const baton = await site.baton(0, ours(kind, 150))
    await at('the higher priority takes it', 0)
    expect(baton.said).toContainEqual(expect.objectContaining({ kind: 'vrrp.turned', to: 'master' }))

    baton.order({ kind: 'yield' })
    await at('handed over', 1)
    baton.order({ kind: 'resume' })
    await at('taken back', 0)

    await keepalived.reload(theirs(kind, 200))
    await at('its priority is higher now', 1)
    await keepalived.kill()
    // Its addresses stay, as nobody takes them away: that machine counts as dead.
    await site.run(1, 'ip', 'address', 'flush', 'dev', 'eth0', 'to', address)
    const took = await at('keepalived was killed', 0)
    const most = masterDownMs({ version: kind.version, downAdverts: 3 }, 150, kind.intervalMs)
    console.log(
      `${kind.name}: Baton took over ${took.toFixed(0)} ms after it was seen to be gone; by the formula within ${most.toFixed(0)} ms`,
    )

    keepalived = await site.keepalived(1, theirs(kind, 100))
    await baton.kill()
    const back = await until('Baton was killed', async () => (await site.holders(address)).includes(1), 30_000)
    console.log(`${kind.name}: keepalived took over after ${back.toFixed(0)} ms`)
    // What was left behind is gone as soon as Baton begins again.
    expect(await site.holders(address)).toEqual([0, 1])
    const again = await site.baton(0, ours(kind, 90))
    await at('what was left is gone', 1)
    expect((await again.status())[0]).toMatchObject({ state: 'backup', troubles: [] })
    await keepalived.end()
    await at('keepalived has resigned', 0)
    await again.end()
    await at('Baton has ended')
  })

  test('one that wraps its advertisements in an authentication header is refused, and said by name', async () => {
    await using site = await Site.open(2)
    const kind: Kind = { name: 'AH', version: 2, family: 'ipv4', intervalMs: 1000 }
    await site.keepalived(1, theirs(kind, 150, { more: 'authentication {\n auth_type AH\n auth_pass secret\n }' }))
    await until('keepalived has the address', () => stands(site, addressOf.ipv4, [1]), 30_000)
    const baton = await site.baton(0, ours(kind, 100))
    const troubles = async (): Promise<string> => ((await baton.status())[0]?.troubles ?? []).join()
    await until(
      'it is told',
      async () => (await troubles()).includes('10.99.0.2 on eth0 uses an authentication header (AH)'),
      30_000,
    )
    expect(await troubles()).toContain('this machine no authentication: give both the same')
  })
})
