import { describe, expect, test } from 'vitest'
import { type FakeXenHost, fakeXenHost } from '../../../../test/build/fake-xen-host.ts'
import type { Hypervisor } from '../../hypervisor.ts'
import { type GuestMachine, machineOf } from '../../machine.ts'
import { openHypervisor } from '../../open.ts'

const soon = (milliseconds = 5000): { signal: AbortSignal } => ({ signal: AbortSignal.timeout(milliseconds) })
const mebibyte = 1024 ** 2

type World = FakeXenHost & {
  readonly hypervisor: Hypervisor
  readonly machine: Pick<GuestMachine, 'devices' | 'attach' | 'detach' | 'resize' | 'migrate'>
}

/** Guests made by hand; `one` runs. */
async function world(options?: Parameters<typeof fakeXenHost>[0]): Promise<World> {
  const made = fakeXenHost(options)
  const hypervisor = openHypervisor('xen', made.host)
  const rest = "vif = ['mac=00:16:3e:00:00:01,bridge=xenbr0']\n"
  const config = (name: string): string =>
    `# mine\nname = '${name}'\nkernel = '/k'\nmemory = 128\nmaxmem = 256\nvcpus = 1\nmaxvcpus = 2\ndisk = ['file:/srv/${name}.img,xvda,w']\n${rest}`
  for (const name of ['one', 'two']) await made.host.writeFile(`/etc/xen/${name}.cfg`, config(name), soon())
  await hypervisor.start('one', soon())
  const machine = {
    ...machineOf(hypervisor, 'devices'),
    ...machineOf(hypervisor, 'attach'),
    ...machineOf(hypervisor, 'detach'),
    ...machineOf(hypervisor, 'resize'),
    ...machineOf(hypervisor, 'migrate'),
  }
  return { ...made, hypervisor, machine }
}

const config = async ({ host }: World, name = 'one'): Promise<string> =>
  new TextDecoder().decode(await host.readFile(`/etc/xen/${name}.cfg`, soon()))
const disk = (path: string) => ({ kind: 'disk', path, format: 'raw', isReadOnly: false }) as const

describe('a running guest on Xen', () => {
  test('gets more memory and CPUs at once, up to what it was started with, and keeps them', async () => {
    const made = await world()
    expect(await made.machine.resize('one', { memoryBytes: 192 * mebibyte, vcpus: 2 }, soon())).toBe('now')
    const one = (await made.hypervisor.list(soon())).find(({ definition }) => definition.name === 'one')
    expect(one?.definition).toMatchObject({ memoryBytes: 192 * mebibyte, vcpus: 2 })
    expect(await config(made)).toMatch(/^# mine\n[^]*memory = 192\nmaxmem = 256\nvcpus = 2\nmaxvcpus = 2\n/)
  })

  test('gets what is beyond that at its next start', async () => {
    const made = await world()
    expect(await made.machine.resize('one', { memoryBytes: 512 * mebibyte, vcpus: 3 }, soon())).toBe('next-start')
    expect(made.calls.filter((call) => call.includes('-set'))).toEqual([])
    expect(await config(made)).toMatch(/memory = 512\nmaxmem = 512\nvcpus = 3\nmaxvcpus = 3\n/)
  })

  test('takes a disk and a card, which its file names from then on, and gives them back', async () => {
    const made = await world()
    const attached = await made.machine.attach('one', disk('/srv/more.img'), soon())
    expect(attached).toEqual({ kind: 'disk', name: '/srv/more.img', target: 'xvdb' })
    const card = await made.machine.attach('one', { kind: 'network', bridge: 'br7' }, soon())
    expect(card.name).toMatch(/^00:16:3e(:[0-9a-f]{2}){3}$/)
    expect(await made.machine.devices('one', soon())).toEqual([attached, card])
    expect(await config(made)).toContain('vdev=xvdb,access=rw,target=/srv/more.img')
    expect(await config(made)).toContain(`mac=${card.name},bridge=br7`)
    await made.machine.detach('one', '/srv/more.img', soon())
    await made.machine.detach('one', card.name.toUpperCase(), soon())
    expect(await config(made)).not.toMatch(/xvdb|br7/)
    expect(made.calls).toEqual(expect.arrayContaining(['block-detach one xvdb', `network-detach one ${card.name}`]))
    expect(await made.machine.devices('one', soon())).toEqual([])
  })

  test('without disks of its own gives back the one that it was given', async () => {
    const made = await world()
    await made.host.writeFile('/etc/xen/bare.cfg', "name = 'bare'\nkernel = '/k'\nmemory = 64\n", soon())
    await made.hypervisor.start('bare', soon())
    await made.machine.attach('bare', disk('/srv/more.img'), soon())
    await made.machine.detach('bare', '/srv/more.img', soon())
    expect(made.calls).toContain('block-detach bare xvda')
  })

  test.each(['/srv/one.img', 'xvda', '00:16:3e:00:00:01'])(
    'does not give %s back, which is its own',
    async (device) => {
      const made = await world()
      await expect(made.machine.detach('one', device, soon())).rejects.toMatchObject({ code: 'not-found' })
      expect(made.calls.filter((call) => call.includes('detach'))).toEqual([])
    },
  )

  test('an attachment that fails is taken out of the lists of xl again, and not kept', async () => {
    const made = await world()
    made.fail('network-attach', 'libxl: error: x: script: Could not find bridge device nobr\n', 1)
    const attaching = made.machine.attach('one', { kind: 'network', bridge: 'nobr' }, soon())
    await expect(attaching).rejects.toMatchObject({ code: 'not-found' })
    expect(made.calls.at(-1)).toMatch(/^network-detach one 00:16:3e/)
    expect(await config(made)).not.toContain('nobr')
    expect(await made.machine.devices('one', soon())).toEqual([])
  })

  test('does not get the disk of another guest that runs, nor one that it has, nor a qcow2 image, nor a user network', async () => {
    const made = await world()
    await made.hypervisor.start('two', soon())
    const refused = [
      [disk('/srv/two.img'), 'busy'],
      [disk('/srv/one.img'), 'already-exists'],
      [{ ...disk('/srv/a.qcow2'), format: 'qcow2' }, 'unsupported'],
      [{ kind: 'network', user: true }, 'unsupported'],
    ] as const
    for (const [device, code] of refused)
      await expect(made.machine.attach('one', device, soon())).rejects.toMatchObject({ code })
    expect(made.calls.filter((call) => call.includes('attach'))).toEqual([])
  })
})

describe('a guest on Xen', () => {
  test('that does not run is changed in its file', async () => {
    const made = await world()
    expect(await made.machine.resize('two', { vcpus: 4 }, soon())).toBe('now')
    await made.machine.attach('two', { ...disk('/srv/a.qcow2'), format: 'qcow2' }, soon())
    expect(await config(made, 'two')).toMatch(/vcpus = 4\nmaxvcpus = 4\n[^]*format=qcow2,vdev=xvdb/)
    expect(made.calls.filter((call) => / two/.test(call))).toEqual([])
  })

  test('that is paused is not changed', async () => {
    const made = await world()
    await made.hypervisor.pause('one', soon())
    await expect(made.machine.resize('one', { vcpus: 2 }, soon())).rejects.toMatchObject({ code: 'invalid' })
    expect(await config(made)).toContain('\nvcpus = 1\n')
  })

  test('moves to another host where Xen has what that needs, and is not started here again', async () => {
    const without = await world()
    await expect(without.machine.migrate('one', 'xen2', soon())).rejects.toMatchObject({
      code: 'unsupported',
      message: expect.stringContaining('shadow paging') as string,
    })
    expect(without.calls.filter((call) => call.startsWith('migrate'))).toEqual([])
    const made = await world({ capabilities: 'pv hvm shadow' })
    await made.machine.migrate('one', 'xen2', soon())
    expect(made.calls).toContain('migrate one xen2')
    expect((await made.hypervisor.list(soon())).map(({ definition }) => definition.name)).toEqual(['two'])
    expect(await made.host.list('/etc/xen', soon())).toContain('one.cfg.moved-to-xen2')
  })
})
