/**
 * Large transfers there and back, by every method: what offload leaves in one piece arrives whole, and so does what the
 * kernel cuts on the way out, tunnels' headers included.
 */
import { createHash, randomBytes } from 'node:crypto'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { beforeAll, describe, expect, test } from 'vitest'
import { type Family, type Lab, openLab, port, serve } from './lab.ts'
import { addresses, type Mode } from './topology.ts'
import { execute } from './world.ts'

beforeAll(() => execute(process.execPath, ['scripts/build.mjs']))

const ways: readonly { readonly name: string; readonly mode: Mode; readonly options: readonly string[] }[] = [
  { name: 'NAT', mode: 'masq', options: ['-m'] },
  { name: 'direct routing', mode: 'direct', options: ['-g'] },
  { name: 'IPIP', mode: 'tunnel', options: ['-i'] },
  { name: 'GRE', mode: 'tunnel', options: ['-i', '--tun-type', 'gre', '--tun-nocsum'] },
  { name: 'GUE', mode: 'tunnel', options: ['-i', '--tun-type', 'gue', '--tun-port', '6080', '--tun-nocsum'] },
]
const megabytes = 24

/** Sent to an echo, and what came back. */
async function sent({ topology, baton }: Lab, family: Family): Promise<{ there: string; back: string }> {
  const bytes = randomBytes(megabytes * 1024 * 1024)
  const file = join(baton.directory, 'bulk')
  await writeFile(file, bytes)
  const { vip } = addresses[family]
  const to = family === 'ipv6' ? `TCP6:[${vip}]:${port}` : `TCP4:${vip}:${port}`
  const heard = await topology.run('client', 'sh', '-c', `timeout 18 socat -t 10 - ${to} <${file} | sha256sum`)
  return { there: createHash('sha256').update(bytes).digest('hex'), back: heard.slice(0, 64) }
}

/** By the server, on its link with the director. */
async function received({ topology }: Lab): Promise<{ bytes: number; packets: number }> {
  const [link] = JSON.parse(await topology.run('server', 'ip', '-s', '-j', 'link', 'show', 'veth21'))
  return link.stats64.rx
}

describe.each(ways)('$name', ({ mode, options }) => {
  test('what is sent comes back, in large pieces and in such as the kernel cuts', async () => {
    await using lab = await openLab(mode)
    for (const family of ['ipv4', 'ipv6'] as const) {
      const { vip, server } = addresses[family]
      const [service = '', real = ''] = [vip, server].map((address) =>
        family === 'ipv6' ? `[${address}]:${port}` : `${address}:${port}`,
      )
      await lab.ipvsadm('-A', '-t', service, '-s', 'rr')
      await lab.ipvsadm('-a', '-t', service, '-r', real, ...options)
      serve(lab, family, 'TCP', mode)
    }
    for (const largest of [65_536, 1500]) {
      await lab.topology.run('director', 'ip', 'link', 'set', 'veth12', 'gso_max_size', String(largest))
      const before = await received(lab)
      for (const family of ['ipv4', 'ipv6'] as const) {
        const { there, back } = await sent(lab, family)
        expect(back, `${family}, pieces of ${largest}`).toBe(there)
      }
      const after = await received(lab)
      const mean = (after.bytes - before.bytes) / (after.packets - before.packets)
      expect(mean > 1514, `${mean} bytes each, of ${largest} at most`).toBe(largest > 1500)
    }
    const counted = [...(await lab.ipvsadm('-Ln', '--stats', '--exact')).matchAll(/^ +-> \S+ +\d.*$/gmu)].map(
      ([line]) => Number(line.trim().split(/\s+/u)[5]),
    )
    expect(counted).toHaveLength(2)
    expect(counted.every((bytes) => bytes > 2 * megabytes * 1024 * 1024)).toBe(true)
  })
})
