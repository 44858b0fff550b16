/** Addresses that are a way only (accept: false): Baton as master, and keepalived with `no_accept`, to the same neighbours. */
import { describe, expect, test } from 'vitest'
import { isRoot } from '../net/namespaces.ts'
import { addressOf, type Kind, ours, theirs } from './instance.ts'
import { Site, until } from './world.ts'

const kinds: readonly (Kind & { readonly beyond: string; readonly route: string })[] = [
  { name: 'IPv4', version: 3, family: 'ipv4', intervalMs: 100, beyond: '10.97.0.1', route: '10.97.0.0/24' },
  { name: 'IPv6', version: 3, family: 'ipv6', intervalMs: 100, beyond: 'fd97::1', route: 'fd97::/64' },
]

describe.runIf(isRoot())('a master that takes no packets for its addresses', () => {
  test.each(kinds)(
    '$name: neighbours are answered and packets sent on, pings and connections are not',
    { timeout: 900_000 },
    async (kind) => {
      await using site = await Site.open(4)
      const address = addressOf[kind.family]
      const target = kind.family === 'ipv6' ? `${address}%eth0` : address
      const stands = (what: string, ...places: number[]): Promise<number> =>
        until(what, async () => (await site.holders(address)).join() === places.join(), 30_000)
      const works = (...command: string[]): Promise<boolean> =>
        site.run(2, ...command).then(
          () => true,
          () => false,
        )
      const pings = (to: string): Promise<boolean> => works('busybox', 'ping', '-c', '1', '-W', '1', to)
      const goesOn = (): Promise<boolean> => pings(kind.beyond)
      const answers = async () => {
        const socket = kind.family === 'ipv6' ? `TCP6:[${target}]` : `TCP:${target}`
        const asked = [
          pings(target),
          works('socat', '-T1', '-u', '/dev/null', `${socket}:8080,connect-timeout=1`),
          goesOn(),
          pings(kind.family === 'ipv6' ? 'fd99::1' : '10.99.0.1'),
        ]
        const [ping, connection, way, other] = await Promise.all(asked)
        const isKnown = (await site.run(2, 'ip', 'neighbour', 'show', address)).includes('lladdr')
        return { ping, connection, way, other, isKnown }
      }
      const closed = { ping: false, connection: false, isKnown: true, way: true, other: true }
      const rules = (at: number): Promise<string> => site.run(at, 'nft', 'list', 'ruleset')
      for (const at of [0, 1]) {
        await site.join(at, 'eth1', 'br1', kind.family === 'ipv6' ? `fd97::${at + 2}/64` : `10.97.0.${at + 2}/24`)
        await site.run(at, 'sysctl', '-qw', 'net.ipv4.ip_forward=1', 'net.ipv6.conf.all.forwarding=1')
        site.start(at, 'socat', `TCP6-LISTEN:8080,ipv6only=0,fork,reuseaddr`, 'PIPE')
      }
      await site.run(3, 'ip', 'link', 'set', 'eth0', 'down')
      await site.join(3, 'eth1', 'br1', `${kind.beyond}/${kind.family === 'ipv6' ? 64 : 24}`)
      await site.run(
        3,
        'ip',
        'route',
        'add',
        ...(kind.family === 'ipv6' ? ['fd99::/64', 'via', 'fd97::2'] : ['10.99.0.0/24', 'via', '10.97.0.2']),
      )
      await site.run(2, 'ip', 'route', 'add', kind.route, 'via', address, 'dev', 'eth0')

      const keepalived = await site.keepalived(1, theirs(kind, 100, { more: 'no_accept' }))
      await stands('keepalived is master', 1)
      await until('packets find their way', goesOn)
      expect(await answers()).toEqual(closed)
      const baton = await site.baton(0, ours(kind, 150, { accepts: false }))
      await stands('Baton is master', 0)
      await until('its neighbours know', goesOn)
      expect(await answers()).toEqual(closed)
      expect(await rules(0)).toContain(address)
      // Somebody loads a firewall anew.
      await site.run(0, 'nft', 'flush', 'ruleset')
      await until('the rules are back', async () => (await rules(0)).includes(address))
      expect(await answers()).toEqual(closed)

      baton.order({ kind: 'yield' })
      await stands('it is handed over', 1)
      await keepalived.end()
      await stands('nobody has it but Baton', 0)

      baton.order({ kind: 'apply', spec: ours(kind, 150) })
      await until('it takes packets now', () => pings(target))
      expect(await answers()).toEqual({ ...closed, ping: true, connection: true })
      expect(await rules(0)).toBe('')

      baton.order({ kind: 'apply', spec: ours(kind, 150, { accepts: false }) })
      await until('and no more', async () => !(await pings(target)))
      await baton.kill()
      expect(await rules(0)).toContain(address)
      const again = await site.baton(0, ours(kind, 150))
      await stands('begun anew, it has it again', 0)
      expect(await rules(0)).toBe('')
      expect(await pings(target)).toBe(true)
      await again.end()
    },
  )
})
