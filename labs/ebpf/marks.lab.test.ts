/** Firewall-mark services on a network: what the operator's own rules mark reaches the real servers, and comes back. */
import { execFileSync } from 'node:child_process'
import { beforeAll, describe, expect, test } from 'vitest'
import { eventually } from '../net/loopback.ts'
import { echoed, type Lab, openLab, port, serve } from './lab.ts'
import { addresses, type Mode } from './topology.ts'
import { execute } from './world.ts'

const options: Readonly<Record<Mode, string>> = { direct: '-g', masq: '-m', tunnel: '-i' }
const marking = `table inet shop {
  chain marking {
    type filter hook prerouting priority mangle
    ip daddr ${addresses.ipv4.vip} meta l4proto { tcp, udp } meta mark set 5
    ip6 daddr ${addresses.ipv6.vip} meta l4proto { tcp, udp } meta mark set 2147483653
  }
}
`

beforeAll(() => execute(process.execPath, ['scripts/build.mjs']))

/** In the director's namespace. */
function nft(lab: Lab, script: string): string {
  return execFileSync('ip', ['netns', 'exec', lab.topology.name('director'), 'nft', '-f', '-'], {
    input: script,
  }).toString()
}

async function seen(lab: Lab): Promise<{ readonly tables: string; readonly links: string }> {
  return {
    tables: await lab.topology.run('director', 'nft', 'list', 'ruleset'),
    links: await lab.topology.run('director', 'ip', '-o', 'link'),
  }
}

describe('firewall marks', () => {
  test.each<Mode>(['direct', 'masq', 'tunnel'])('%s: marked by nftables, both families, TCP and UDP', async (mode) => {
    await using lab = await openLab(mode)
    nft(lab, marking)
    const before = await seen(lab)
    for (const family of ['ipv4', 'ipv6'] as const) {
      const service = family === 'ipv4' ? ['-f', '5'] : ['-f', '2147483653', '-6']
      const { server } = addresses[family]
      const real = mode !== 'masq' ? server : family === 'ipv6' ? `[${server}]:${port}` : `${server}:${port}`
      await lab.ipvsadm('-A', ...service, '-s', 'rr', ...(mode === 'masq' ? ['-p', '100'] : []))
      await lab.ipvsadm('-a', ...service, '-r', real, options[mode])
      for (const protocol of ['TCP', 'UDP'] as const) {
        serve(lab, family, protocol, mode)
        await eventually(`${mode} ${family} ${protocol}`, () => echoed(lab, family, protocol))
      }
    }
    const table = await lab.ipvsadm('-Ln', '--stats')
    expect(table.match(/^FWM .* [1-9]\d* +[1-9]\d* /gmu)).toHaveLength(2)
    if (mode === 'masq') expect(await lab.ipvsadm('-Lnc')).toMatch(/^IP {2}.* ASSURED .*0\.0\.0\.5:0/mu)
    await lab.ipvsadm('-C')
    expect(await seen(lab)).toEqual(before)
  })

  test('without a server the sender is told so, and a killed director’s marks lead on', async () => {
    await using lab = await openLab('masq')
    nft(lab, marking)
    const { vip, server } = addresses.ipv4
    const connect = ['socat', '-u', `TCP4:${vip}:${port},connect-timeout=3`, '-']
    const told = (): Promise<string> => lab.topology.run('client', 'sh', '-c', `${connect.join(' ')} 2>&1 || true`)
    await lab.ipvsadm('-A', '-f', '5', '-s', 'rr')
    expect(await told()).toContain('Connection refused')
    await lab.ipvsadm('-a', '-f', '5', '-r', `${server}:${port}`, '-m')
    serve(lab, 'ipv4', 'TCP', 'masq')
    await eventually('served', () => echoed(lab, 'ipv4', 'TCP'))
    for (const pid of lab.baton.processes()) process.kill(pid, 'SIGKILL')
    expect(await echoed(lab, 'ipv4', 'TCP')).toBe(true)
    // What has no service left is the stack's again: nobody listens there.
    nft(lab, 'table inet shop {}\ndelete table inet shop\n')
    expect(await told()).toContain('Connection refused')
  })
})
