/** Guests on a bridge: a network namespace of our own stands for the host's network. Root only. */
import { randomBytes } from 'node:crypto'
import { beforeAll, describe, expect, test } from 'vitest'
import { openGuestWorld, patienceMs, soon, type TinyGuest, tinyGuests } from '../../../labs/guests/world.ts'
import type { Host } from '../../hosts/host.ts'
import type { GuestNetwork, GuestState, Hypervisor } from '../hypervisor.ts'
import { openHypervisor } from '../open.ts'

const isRoot = process.getuid?.() === 0
if (!isRoot) console.warn('skipped: bridged guests need root to make a network namespace and taps')

let tiny: TinyGuest
beforeAll(async () => {
  if (isRoot) tiny = await tinyGuests()
})

type BridgeWorld = AsyncDisposable & {
  readonly host: Host
  readonly hypervisor: Hypervisor
  readonly inside: (...command: string[]) => Promise<string>
}

/** The same host, with every program run inside the namespace, and the bridge br0 = 10.91.0.1/24 in it. */
async function openBridgeWorld(): Promise<BridgeWorld> {
  const world = await openGuestWorld()
  const name = `baton-${randomBytes(4).toString('hex')}`
  const outside = async (...command: string[]): Promise<string> => {
    const { code, stdout, stderr } = await world.host.run(command, soon())
    if (code !== 0) throw new Error(`${command.join(' ')}: ${stderr}`)
    return stdout
  }
  const inside = (...command: string[]): Promise<string> => outside('ip', 'netns', 'exec', name, ...command)
  await outside('ip', 'netns', 'add', name)
  await inside('ip', 'link', 'set', 'lo', 'up')
  await inside('ip', 'link', 'add', 'br0', 'type', 'bridge')
  await inside('ip', 'address', 'add', '10.91.0.1/24', 'dev', 'br0')
  await inside('ip', 'link', 'set', 'br0', 'up')
  const host: Host = {
    ...world.host,
    run: (command, options) => world.host.run(['ip', 'netns', 'exec', name, ...command], options),
    readFile: async (path, options) =>
      path.startsWith('/sys/class/net/')
        ? new TextEncoder().encode(await inside('cat', path))
        : world.host.readFile(path, options),
  }
  return {
    host,
    inside,
    hypervisor: openHypervisor('qemu', host),
    async [Symbol.asyncDispose]() {
      await world[Symbol.asyncDispose]()
      await outside('ip', 'netns', 'delete', name)
    },
  }
}

async function only(hypervisor: Hypervisor): Promise<GuestState> {
  const [guest] = await hypervisor.list(soon())
  if (guest === undefined) throw new Error('no guest is listed')
  return guest
}

describe.runIf(isRoot)('qemu guests on a bridge', () => {
  test('a guest with an address of its own is reached over its tap, counted, and leaves no tap', async () => {
    await using world = await openBridgeWorld()
    const { hypervisor, inside } = world
    const network: GuestNetwork = { kind: 'bridge', bridge: 'br0', address: '10.91.0.7/24', gateway: '10.91.0.1' }
    const { boot, ...rest } = tiny('one', { network })
    if (boot.kind !== 'kernel') throw new Error('tiny boots from a kernel')
    const cmdline = `${boot.cmdline} ip=10.91.0.7::10.91.0.1:255.255.255.0:one:eth0:off`
    await hypervisor.define({ ...rest, boot: { ...boot, cmdline } }, soon())
    await hypervisor.start('one', soon())
    expect(await only(hypervisor)).toMatchObject({ state: 'running', address: '10.91.0.7', reach: [] })
    const fetch = (): Promise<string> => inside('curl', '-s', '-m', '2', 'http://10.91.0.7/').catch(() => '')
    await expect.poll(fetch, { timeout: patienceMs, interval: 200 }).toContain('one')
    const { network: counted } = await hypervisor.statistics('one', soon())
    expect(counted?.receivedBytes).toBeGreaterThan(100)
    expect(counted?.sentBytes).toBeGreaterThan(100)
    await hypervisor.save('one', soon())
    expect(await inside('ip', '-o', 'link')).not.toMatch(/ bt[0-9a-f]{12}:/)
    await hypervisor.start('one', soon())
    await expect.poll(fetch, { timeout: patienceMs, interval: 200 }).toContain('one')
    await hypervisor.undefine('one', soon())
    expect(await inside('ip', '-o', 'link')).not.toMatch(/ bt[0-9a-f]{12}:/)
  })

  test('a guest without a fixed address is known by what the host hears from it', async () => {
    await using world = await openBridgeWorld()
    const { hypervisor, inside } = world
    const { boot, ...rest } = tiny('one', { network: { kind: 'bridge', bridge: 'br0' } })
    if (boot.kind !== 'kernel') throw new Error('tiny boots from a kernel')
    // It takes its address by itself, as from a DHCP server that is not ours.
    const cmdline = `${boot.cmdline} ip=10.91.0.9::10.91.0.1:255.255.255.0:one:eth0:off`
    await hypervisor.define({ ...rest, boot: { ...boot, cmdline } }, soon())
    await hypervisor.start('one', soon())
    expect((await only(hypervisor)).address).toBeUndefined()
    const heard = async (): Promise<string | undefined> => {
      await inside('curl', '-s', '-m', '1', 'http://10.91.0.9/').catch(() => '')
      return (await only(hypervisor)).address
    }
    await expect.poll(heard, { timeout: patienceMs, interval: 200 }).toBe('10.91.0.9')
    await hypervisor.undefine('one', soon())
  })

  test('a bridge that is not there is named, and no tap is left', async () => {
    await using world = await openBridgeWorld()
    const { hypervisor, inside } = world
    await hypervisor.define(tiny('one', { network: { kind: 'bridge', bridge: 'br9' } }), soon())
    await expect(hypervisor.start('one', soon())).rejects.toMatchObject({ code: 'failed', subject: 'br9' })
    expect(await inside('ip', '-o', 'link')).not.toMatch(/ bt[0-9a-f]{12}:/)
    expect((await only(hypervisor)).state).toBe('stopped')
  })
})
