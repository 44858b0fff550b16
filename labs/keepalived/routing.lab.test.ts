/** keepalived and `baton keepalived` with one configuration: the same addresses, routes and rules as master, without mastership, and after the end. */
import { once } from 'node:events'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { Site, until } from '../ha/world.ts'
import { openBaton } from '../hello/baton.ts'
import { isRoot } from '../net/namespaces.ts'
import { isThere, ours, type Start, theirs } from './here.ts'

const waitMs = 60_000

const standing = `
static_ipaddress {
  10.50.0.1/24 dev eth1
  10.50.1.1/32 dev eth1 scope link label eth1:st
  10.50.2.1/24 dev eth1 brd +
}
static_routes {
  10.60.0.0/24 via 10.50.0.9 dev eth1
  10.61.0.0/24 dev eth1 scope link metric 7 table 100
  blackhole 10.62.0.0/24
}
static_rules {
  from 10.60.0.0/24 table 100 preference 500
  to 10.61.0.0/24 table 100
}`

const configuration = (more: string): string => `
global_defs {
  vrrp_version 3
}
${standing}
track_file ill {
  file DIR/ill
  weight 0
}
vrrp_instance A {
  interface eth0
  virtual_router_id 1
  advert_int 0.2
  track_file { 
    ill
  }
  virtual_ipaddress {
    10.99.0.101/24
    10.98.0.101/24 dev eth1
  }
  virtual_ipaddress_excluded {
    fd98::1/64 dev eth1
  }
  virtual_routes {
    src 10.99.0.101 to 10.70.0.0/24 via 10.99.0.254 dev eth0
    10.71.0.0/24 via 10.98.0.254
    10.72.0.0/24 dev eth0 no_track
    unreachable 10.73.0.0/24 metric 5
    10.74.0.0/24 nexthop via 10.99.0.251 weight 2 nexthop via 10.99.0.252 dev eth0 weight 3
    10.75.0.0/24 via 10.99.0.254 or 10.99.0.253
    default via 10.99.0.254 table 200 mtu lock 1300 tos 0x10 advmss 900 hoplimit 12 initcwnd 9
    2001:db8:1::/48 via fd99::9 dev eth0 pref high
    default via 10.88.0.253 dev eth0 onlink table 201 protocol static no_track
    local 10.76.0.1 dev eth0 table 202
    10.77.0.0/24 dev eth0 metric 5 quickack 1 window 9000 congctl cubic
    10.77.0.0/24 dev eth1 metric 5 append
  }
  virtual_rules {
    from 10.99.0.101 table 200 preference 600
    to 10.71.0.0/16 fwmark 5/7 table 200 iif eth0 preference 601
    not from 1.2.3.0/24 table 200 preference 602
    from 10.0.0.0/8 blackhole preference 603
    from fd99::/64 table 200 preference 604
    from 10.9.0.0/16 tos 0x10 oif eth0 table main suppress_prefixlength 0 preference 605
    ipproto tcp sport 1000-2000 uidrange 5-9 table 200 preference 606
    ipproto udp table 200 preference 608
    from 10.8.0.0/16 goto 700 preference 607
    from 10.8.0.0/16 nop preference 700
    ${more}
  }
}
`

/** What stands there, but for what is nobody's: link-local and multicast routes; and how Baton marks an address as its own. */
async function seen(site: Site): Promise<readonly string[]> {
  const looks = [
    '-4 -o address',
    '-6 -o address',
    '-4 route show table all',
    '-6 route show table all',
    '-4 rule',
    '-6 rule',
  ]
  const parts = await site.run(0, 'sh', '-c', looks.map((look) => `ip ${look}; echo ==`).join('; '))
  const [ipv4 = [], ipv6 = [], ...more] = parts.split('==\n').map((part) => part.split('\n'))
  const addresses = [...ipv4, ...ipv6].flatMap((line) => {
    const [, interfaceName = '', , address = ''] = line.trim().split(/\s+/)
    const broadcast = /brd (\S+)/.exec(line)?.[1] ?? ''
    const scope = /scope (\S+)/.exec(line)?.[1] ?? ''
    return address === '' || address.startsWith('fe80') ? [] : [`${interfaceName} ${address} ${broadcast} ${scope}`]
  })
  const ways = more.flat().map((line) => line.replace(/\s+/g, ' ').trim())
  const isNobodys = (line: string): boolean =>
    line === '' || /^(multicast )?(fe80|ff00|anycast|local|broadcast|fd)/.test(line)
  return [...addresses.toSorted(), ...ways.filter((line) => !isNobodys(line) || line.includes('202'))]
}

type Shown = Readonly<Record<string, readonly string[]>>

async function play(site: Site, folder: string, start: Start, killAll: () => Promise<void>): Promise<Shown> {
  const [file, ill] = [join(folder, 'keepalived.conf'), join(folder, 'ill')]
  const write = (more: string): void => writeFileSync(file, configuration(more).replaceAll('DIR', folder))
  const shown: Record<string, readonly string[]> = {}
  /** Once nothing changes any more. */
  const see = async (title: string, isSo: (lines: string) => boolean): Promise<void> => {
    let last: readonly string[] = []
    await until(title, async () => {
      const before = last
      last = await seen(site)
      return isSo(last.join('\n')) && JSON.stringify(before) === JSON.stringify(last)
    }, waitMs) // biome-ignore format: a condition
    shown[title] = last
  }
  writeFileSync(ill, '0\n')
  write('')
  const isMaster = (lines: string): boolean => lines.includes('10.99.0.101') && lines.includes('700: from 10.8.0.0/16')
  const isNone = (lines: string): boolean => !lines.includes('10.99.0.101') && !lines.includes('10.8.0.0/16')
  let child = start(file)
  let ended = once(child, 'exit')
  try {
    await see('master', isMaster)
    writeFileSync(ill, '1\n')
    await see('at fault', isNone)
    writeFileSync(ill, '0\n')
    await see('master again', isMaster)
    const isBack = (lines: string): boolean =>
      ['10.70.0.0/24', '601:', '10.60.0.0/24 via'].every((one) => lines.includes(one))
    // One after the other: keepalived leaves mastership for a moment then.
    for (const gone of ['route del 10.70.0.0/24', 'rule del pref 601', 'route del 10.60.0.0/24']) {
      await site.run(0, 'ip', ...gone.split(' '))
      await see(`brought back after ${gone}`, (lines) => isMaster(lines) && isBack(lines))
    }
    await site.run(0, 'ip', 'link', 'set', 'eth1', 'down')
    await see('without an interface', isNone)
    await site.run(0, 'ip', 'link', 'set', 'eth1', 'up')
    await see('with it again', (lines) => isMaster(lines) && isBack(lines))
    await killAll()
    await ended
    expect((await seen(site)).join('\n')).toContain('10.99.0.101')
    write('from 10.5.0.0/16 table 200 preference 800')
    child = start(file)
    ended = once(child, 'exit')
    await see('after it was killed', (lines) => isMaster(lines) && lines.includes('800:'))
    child.kill('SIGTERM')
    await ended
    await see('ended', (lines) => isNone(lines) && !lines.includes('10.50.0.1'))
    return shown
  } finally {
    child.kill('SIGTERM')
    await ended
  }
}

describe.skipIf(!isThere || !isRoot())('addresses, routes and rules', () => {
  test('are the same in all that happens to an instance', async () => {
    await using one = await Site.open(1)
    await using other = await Site.open(1)
    const folder = mkdtempSync(join(tmpdir(), 'baton-keepalived-'))
    await using baton = openBaton(other.inside(0))
    try {
      const place = async (site: Site, name: string): Promise<string> => {
        await site.join(0, 'eth1', 'br1', '10.97.0.1/24')
        return mkdtempSync(join(folder, name))
      }
      const killAll = (site: Site) => async (): Promise<void> => {
        for (const pid of await site.processes(0)) process.kill(pid, 'SIGKILL')
      }
      const [asIs, as] = [await place(one, 'theirs-'), await place(other, 'ours-')]
      const [original, shown] = await Promise.all([
        play(one, asIs, theirs(one, asIs), async () => {
          await killAll(one)()
          for (const name of ['pid', 'vrrp.pid']) rmSync(join(asIs, name), { force: true })
        }),
        play(other, as, ours(other, as, baton), killAll(other)),
      ])
      expect(shown).toEqual(original)
      expect(original['ended']?.join('\n')).not.toContain('keepalived')
    } finally {
      rmSync(folder, { recursive: true, force: true })
    }
  }, 240_000)
})
