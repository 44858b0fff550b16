/** Addresses at an Ethernet address of the virtual router's own: neighbours learn it once, and keep it through a failover. */
import { describe, expect, test } from 'vitest'
import { isRoot } from '../net/namespaces.ts'
import { alone, Site, until } from './world.ts'

const kinds = [
  { family: 'ipv4' as const, address: '10.99.0.100', mac: '00:00:5e:00:01:33', device: 'baton4.51' },
  { family: 'ipv6' as const, address: 'fe80::100', mac: '00:00:5e:00:02:33', device: 'baton6.51' },
]

describe.runIf(isRoot())('a virtual Ethernet address', () => {
  test.each(kinds)('$family: a neighbour reaches both masters at $mac', async ({ family, address, mac, device }) => {
    await using site = await Site.open(3)
    const spec = (priority: number) => alone({ family, priority, intervalMs: 200 }, { hasVirtualMac: true })
    const [first, second] = [await site.baton(0, spec(150)), await site.baton(1, spec(100))]
    const neighbour = async (): Promise<string> => {
      const target = family === 'ipv6' ? `TCP6:[${address}%eth0]:9` : `TCP:${address}:9`
      // Refused, as nobody listens there; but the neighbour is asked for.
      await site.run(2, 'socat', '-T1', '-u', '/dev/null', `${target},connect-timeout=1`).catch(() => '')
      return await site.run(2, 'ip', 'neighbour', 'show', address)
    }
    await until('the first is master', async () => (await site.holders(address)).join() === '0')
    await until('it answers there', async () => (await neighbour()).includes(mac))
    expect(await site.run(0, 'ip', '-o', 'address', 'show', 'dev', device)).toContain(address)
    await first.end()
    await until('the second is master', async () => (await site.holders(address)).join() === '1')
    expect(await site.run(2, 'ip', 'neighbour', 'show', address)).toContain(mac)
    await until('it answers there, too', async () => (await neighbour()).includes(mac))
    expect(await site.run(0, 'ip', '-o', 'link')).not.toContain(device)
    await second.kill()
    const again = await site.baton(1, spec(100))
    await until('begun again it has the address', async () => (await again.status())[0]?.state === 'master')
    expect((await again.status())[0]?.troubles).toEqual([])
    await again.end()
    expect(await site.run(1, 'ip', '-o', 'link')).not.toContain(device)
  })
})
