import { describe, expect, test } from 'vitest'
import { type FakeXenHost, fakeXenHost } from '../../../test/build/fake-xen-host.ts'
import { hypervisorContract } from '../hypervisor.contract.ts'
import type { GuestDefinition } from '../hypervisor.ts'
import { openHypervisor } from '../open.ts'
import { guestSeed } from '../seed.ts'

const soon = (): { signal: AbortSignal } => ({ signal: AbortSignal.timeout(5000) })

function definition(name: string, change: Partial<GuestDefinition> = {}): GuestDefinition {
  return {
    name,
    memoryBytes: 128 * 1024 ** 2,
    vcpus: 1,
    image: 'f'.repeat(32),
    boot: { kind: 'kernel', kernel: '/k', initrd: '/i', cmdline: 'console=ttyS0 quiet' },
    disks: [],
    network: { kind: 'bridge', bridge: 'xenbr0' },
    autostart: false,
    ...change,
  }
}

async function leftovers({ host }: FakeXenHost): Promise<readonly string[]> {
  const folders = ['/etc/xen', '/etc/xen/auto', '/var/lib/baton/xen', '/run/baton/xen', '/var/log/xen/console']
  const found = await Promise.all(folders.map(async (folder) => (await host.list(folder, soon())) ?? []))
  return found.flat().filter((name) => name !== 'auto')
}

hypervisorContract(
  'xen, over a pretended xl',
  async () => {
    const world = fakeXenHost()
    await world.host.makeDirectory('/var/log/xen/console', soon())
    return {
      hypervisor: openHypervisor('xen', world.host),
      another: () => openHypervisor('xen', world.host),
      definition,
      bootMark: 'is up',
      kill: (name) => world.destroy(name),
      powerOff: (name) => world.powerOff(name),
      leftovers: () => leftovers(world),
      patienceMs: 10_000,
      [Symbol.asyncDispose]: async () => {},
    }
  },
  'bridge',
)

const read = async (world: FakeXenHost, path: string): Promise<string> =>
  new TextDecoder().decode(await world.host.readFile(path, soon()))

describe('xen', () => {
  test('the configuration is what xl needs, with the console and the disks of Xen', async () => {
    const world = fakeXenHost()
    const hypervisor = openHypervisor('xen', world.host)
    const boot = { kind: 'kernel', kernel: '/k', initrd: '/i', cmdline: 'root=/dev/vda rw console=ttyS0' } as const
    await hypervisor.define(definition('one', { boot, disks: [{ sizeBytes: 1024 ** 2 }] }), soon())
    const text = await read(world, '/etc/xen/one.cfg')
    expect(text).toContain('cmdline = "root=/dev/xvda rw console=hvc0"')
    expect(text).toMatch(/disk = \["format=raw,vdev=xvda,access=rw,target=\/var\/lib\/baton\/xen\/one\/disk0.raw"\]/)
    expect(text).toMatch(/vif = \["mac=00:16:3e:[0-9a-f:]{8},bridge=xenbr0"\]/)
    expect(text).toContain('type = "pv"')
  })

  test('a seed is a read-only disk behind all others, and goes when it is not wanted any more', async () => {
    const world = fakeXenHost()
    const hypervisor = openHypervisor('xen', world.host)
    const disks = [{ sizeBytes: 1024 ** 2 }]
    await hypervisor.define(definition('one', { disks, seed: guestSeed({}) }), soon())
    const seed = '/var/lib/baton/xen/one/seed.iso'
    expect(await read(world, '/etc/xen/one.cfg')).toContain(`"format=raw,vdev=xvdz,access=ro,target=${seed}"`)
    const disc = (await world.host.readFile(seed, soon())) ?? new Uint8Array()
    expect(new TextDecoder().decode(disc)).toContain('"local-hostname":"one"')
    await hypervisor.define(definition('one', { disks }), soon())
    expect(await read(world, '/etc/xen/one.cfg')).not.toContain('seed.iso')
    expect(await world.host.readFile(seed, soon())).toBeUndefined()
  })

  test('a guest with a disc in its drive has firmware, which tries the disk first', async () => {
    const world = fakeXenHost()
    const hypervisor = openHypervisor('xen', world.host)
    const boot = { kind: 'disk', disc: '/c/disc.iso' } as const
    const wanted = definition('one', { boot, disks: [{ sizeBytes: 1024 ** 2 }] })
    await hypervisor.define(wanted, soon())
    const text = await read(world, '/etc/xen/one.cfg')
    for (const line of ['type = "hvm"', 'boot = "cd"', 'serial = "pty"']) expect(text).toContain(line)
    expect(text).toContain('"format=raw,vdev=hdc,access=ro,devtype=cdrom,target=/c/disc.iso"')
    expect(text).not.toContain('bootloader')
    await hypervisor.define(wanted, soon())
    expect(await read(world, '/etc/xen/one.cfg')).toBe(text)
  })

  test('what was written by hand into the configuration stays, and counts', async () => {
    const world = fakeXenHost()
    const hypervisor = openHypervisor('xen', world.host)
    await hypervisor.define(definition('one'), soon())
    const before = await read(world, '/etc/xen/one.cfg')
    const changed = `# mine\n${before.replace('memory = 128', 'memory = 192')}cpu_weight = 512\n`
    await world.host.writeFile('/etc/xen/one.cfg', changed, soon())
    expect((await hypervisor.list(soon()))[0]?.definition.memoryBytes).toBe(192 * 1024 ** 2)
    await hypervisor.define(definition('one', { vcpus: 2 }), soon())
    const after = await read(world, '/etc/xen/one.cfg')
    expect(after).toContain('# mine')
    expect(after).toContain('cpu_weight = 512')
    expect(after).toContain('vcpus = 2')
    expect(after).toContain('memory = 128')
  })

  test('a type and a qcow2 disk that were written by hand stay, and the kernel is started as for the type that it had', async () => {
    const world = fakeXenHost()
    const hypervisor = openHypervisor('xen', world.host)
    const disks = [{ sizeBytes: 1024 ** 2 }]
    await hypervisor.define(definition('one', { disks }), soon())
    const extra = 'format=qcow2,vdev=xvdb,access=rw,target=/srv/data.qcow2'
    const before = await read(world, '/etc/xen/one.cfg')
    const changed = before.replace('type = "pv"', 'type = "pvh"').replace('raw"]', `raw", "${extra}"]`)
    expect(changed).toContain(extra)
    await world.host.writeFile('/etc/xen/one.cfg', changed, soon())
    await hypervisor.define(definition('one', { disks, vcpus: 2 }), soon())
    const after = await read(world, '/etc/xen/one.cfg')
    for (const text of ['type = "pvh"', `"${extra}"`, 'kernel = "/k"', 'ramdisk = "/i"', 'vcpus = 2'])
      expect(after).toContain(text)
    expect(after).not.toMatch(/^boot/m)
  })

  test('a guest that was made by hand is listed and driven, and its name is not taken', async () => {
    const world = fakeXenHost()
    const hypervisor = openHypervisor('xen', world.host)
    const byHand =
      "bootloader='pygrub'\nmemory='256'\nvcpus='2'\nname = 'lpic'\nvif = [ 'mac=00:16:3E:38:9B:05,bridge=br7' ]\n"
    await world.host.writeFile('/etc/xen/01-lpic.cfg', byHand, soon())
    expect(await hypervisor.list(soon())).toMatchObject([
      {
        definition: { name: 'lpic', vcpus: 2, network: { kind: 'bridge', bridge: 'br7' }, image: '' },
        state: 'stopped',
      },
    ])
    await hypervisor.start('lpic', soon())
    expect(world.calls).toContain('create -q /etc/xen/01-lpic.cfg')
    await hypervisor.shutdown('lpic', soon())
    expect(await hypervisor.list(soon())).toMatchObject([{ state: 'stopped' }])
    await world.host.writeFile('/etc/xen/two.cfg', 'name = "two"\n', soon())
    await expect(hypervisor.define(definition('two'), soon())).rejects.toMatchObject({ code: 'already-exists' })
    expect(await read(world, '/etc/xen/two.cfg')).toBe('name = "two"\n')
  })

  test('a guest of others starts with the host by its own file, whatever that is called', async () => {
    const world = fakeXenHost()
    const hypervisor = openHypervisor('xen', world.host)
    await world.host.writeFile('/etc/xen/01-theirs.cfg', "name = 'theirs'\nkernel = '/k'\nmemory = 64\n", soon())
    const isMarked = async (): Promise<boolean | undefined> => (await hypervisor.list(soon()))[0]?.definition.autostart
    await hypervisor.autostart('theirs', true, soon())
    expect(await world.host.list('/etc/xen/auto', soon())).toEqual(['01-theirs.cfg'])
    expect(await isMarked()).toBe(true)
    await hypervisor.autostart('theirs', false, soon())
    expect(await world.host.list('/etc/xen/auto', soon())).toEqual([])
    await hypervisor.start('theirs', soon())
    await world.host.remove('/etc/xen/01-theirs.cfg', soon())
    await expect(hypervisor.autostart('theirs', true, soon())).rejects.toMatchObject({ code: 'unsupported' })
  })

  test('autostart is a link in /etc/xen/auto, and what stands there counts', async () => {
    const world = fakeXenHost()
    const hypervisor = openHypervisor('xen', world.host)
    await hypervisor.define(definition('one', { autostart: true }), soon())
    expect(await world.host.list('/etc/xen/auto', soon())).toEqual(['one.cfg'])
    await world.host.remove('/etc/xen/auto/one.cfg', soon())
    expect((await hypervisor.list(soon()))[0]?.definition.autostart).toBe(false)
  })

  test('a guest whose disk another one that runs has is not started', async () => {
    const world = fakeXenHost()
    const hypervisor = openHypervisor('xen', world.host)
    for (const name of ['one', 'two'])
      await world.host.writeFile(`/etc/xen/${name}.cfg`, `name='${name}'\ndisk=['file:/srv/a.img,xvda,w']\n`, soon())
    await hypervisor.start('one', soon())
    await expect(hypervisor.start('two', soon())).rejects.toMatchObject({ code: 'busy' })
    expect(world.calls.filter((call) => call.includes('two'))).toEqual([])
  })

  test("a volume that is somebody else's stays, and is what is told", async () => {
    const world = fakeXenHost()
    const row = { lv_name: 'one-disk0', lv_size: '1', origin: '', lv_tags: '' }
    world.host.install('lvs', async () => ({
      code: 0,
      stdout: JSON.stringify({ report: [{ lv: [row] }] }),
      stderr: '',
    }))
    const disks = [{ sizeBytes: 1024 ** 2, volumeGroup: 'vg0' }]
    const attempt = openHypervisor('xen', world.host).define(definition('one', { disks }), soon())
    await expect(attempt).rejects.toMatchObject({ code: 'already-exists' })
    expect(await leftovers(world)).toEqual([])
  })

  test.each([
    ['more memory than Xen has', { memoryBytes: 4096 * 1024 ** 2 }, 'no-space', /4096M, and Xen has 1502M/],
    ['firmware that is chosen', { hardware: { firmware: 'uefi' } }, 'unsupported', /firmware, cpu and graphics/],
    ['a user network', { network: { kind: 'user', forwards: [] } }, 'unsupported', /no user network/],
  ] as const)('%s is refused before anything is made', async (_name, change, code, message) => {
    const world = fakeXenHost()
    const hypervisor = openHypervisor('xen', world.host)
    const attempt = hypervisor.define(definition('one', change), soon()).then(() => hypervisor.start('one', soon()))
    await expect(attempt).rejects.toMatchObject({ code, message: expect.stringMatching(message) })
    expect(world.calls.filter((call) => call.startsWith('create'))).toEqual([])
  })

  test.each([
    [
      'Could not find bridge device nobr',
      'not-found',
      'libxl: error: libxl_exec.c:117:libxl_report_child_exitstatus: /etc/xen/scripts/vif-bridge online [912] exited with error status 1\nlibxl: error: libxl_device.c:1265:device_hotplug_child_death_cb: script: Could not find bridge device nobr\nlibxl: error: libxl_create.c:1911:domcreate_attach_devices: Domain 4:unable to add vif devices\nlibxl: error: libxl_domain.c:1183:libxl__destroy_domid: Domain 4:Non-existant domain\n',
      3,
    ],
    [
      'neither hap nor shadow',
      'unsupported',
      'libxl: error: libxl_x86.c:1:libxl__arch: neither hap nor shadow paging available\n',
      6,
    ],
    [
      'device model /usr/libexec/xen-qemu-system-i386 is not executable',
      'missing-tool',
      'libxl: error: libxl_dm.c:3141:libxl__spawn_local_dm: Domain 5:device model /usr/libexec/xen-qemu-system-i386 is not executable: No such file or directory\nlibxl: error: libxl_dm.c:3356:device_model_spawn_outcome: Domain 5:(null): spawn failed (rc=-3)\n',
      3,
    ],
    [
      'failed to open file',
      'not-found',
      "xc: error: panic: xg_dom_core.c:205: failed to open file '/boot/nope': No such file or directory: Internal error\nlibxl: error: libxl_dom.c:571:libxl__build_dom: xc_dom_kernel_file failed: No such file or directory\n",
      3,
    ],
  ])('%s: xl has failed, and its cause and a hint are told', async (cause, code, stderr, exit) => {
    const world = fakeXenHost()
    const hypervisor = openHypervisor('xen', world.host)
    await hypervisor.define(definition('one'), soon())
    world.fail('create', stderr, exit)
    await expect(hypervisor.start('one', soon())).rejects.toMatchObject({
      code,
      message: expect.stringContaining(cause),
      hint: expect.stringMatching(/\w/),
    })
    expect((await hypervisor.list(soon()))[0]?.state).toBe('stopped')
  })

  test('a guest that does not answer a save runs on, and nothing is left of the attempt', async () => {
    const world = fakeXenHost()
    const hypervisor = openHypervisor('xen', world.host)
    await hypervisor.define(definition('one'), soon())
    await hypervisor.start('one', soon())
    world.fail(
      'save',
      "libxl: error: libxl_dom_suspend.c:1:x: Domain 1:guest didn't acknowledge suspend, cancelling request\n",
      1,
    )
    await expect(hypervisor.save('one', soon())).rejects.toMatchObject({ code: 'timeout' })
    expect((await hypervisor.list(soon()))[0]?.state).toBe('running')
    expect(await world.host.list('/var/lib/baton/xen/one', soon())).toEqual(['definition.json'])
  })

  test('a paused guest is woken to be saved, for it has to answer', async () => {
    const world = fakeXenHost()
    const hypervisor = openHypervisor('xen', world.host)
    await hypervisor.define(definition('one'), soon())
    await hypervisor.start('one', soon())
    await hypervisor.pause('one', soon())
    await hypervisor.save('one', soon())
    expect((await hypervisor.list(soon()))[0]?.state).toBe('saved')
  })

  test('without Xen it says what is missing', async () => {
    const world = fakeXenHost()
    world.fail('list', "ERROR:  Can't find hypervisor information in sysfs!\n", 1)
    await expect(openHypervisor('xen', world.host).list(soon())).rejects.toMatchObject({
      code: 'unsupported',
      hint: expect.stringContaining('boot'),
    })
  })
})
