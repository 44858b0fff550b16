/** Frames with tags: a priority is none, and a VLAN's are met at its own interface, not at the one that carries it. */
import { beforeAll, describe, expect, test } from 'vitest'
import { eventually } from '../net/loopback.ts'
import { echoed, type Lab, openLab, port, serve } from './lab.ts'
import { addresses, attachProgram } from './topology.ts'
import { execute } from './world.ts'

beforeAll(() => execute(process.execPath, ['scripts/build.mjs']))

const families = ['ipv4', 'ipv6'] as const

async function openServices(): Promise<Lab> {
  const lab = await openLab('masq')
  for (const family of families) {
    const { vip, server } = addresses[family]
    const [service = '', real = ''] = [vip, server].map((address) =>
      family === 'ipv6' ? `[${address}]:${port}` : `${address}:${port}`,
    )
    await lab.ipvsadm('-A', '-t', service, '-s', 'rr')
    await lab.ipvsadm('-a', '-t', service, '-r', real, '-m')
    serve(lab, family, 'TCP', 'masq')
    await eventually(`${family} without a tag`, () => echoed(lab, family, 'TCP'))
    await lab.ipvsadm('-Z')
  }
  return lab
}

describe('frames with tags', () => {
  test('a priority’s are balanced, and go on without it', async () => {
    await using lab = await openServices()
    await attachProgram(lab.topology.name('client'), 'veth01', 'out', 'tag', 'priority')
    const seen = lab.topology.run('server', 'timeout', '3', 'tcpdump', '-c', '1', '-i', 'veth21', '-n', 'vlan')
    for (const family of families) expect(await echoed(lab, family, 'TCP')).toBe(true)
    expect(await seen.catch(() => '')).toBe('')
    expect((await lab.ipvsadm('-Ln', '--stats')).match(/^TCP +\S+ +1 /gmu)).toHaveLength(2)
  })

  test('a VLAN’s are left alone where they have no interface yet', async () => {
    await using lab = await openServices()
    await attachProgram(lab.topology.name('client'), 'veth01', 'out', 'tag', 'vlan')
    for (const family of families) expect(await echoed(lab, family, 'TCP')).toBe(false)
    expect((await lab.ipvsadm('-Ln', '--stats')).match(/^TCP +\S+ +0 +0 /gmu)).toHaveLength(2)
  })
})
