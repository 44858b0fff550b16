/** A QEMU guest's machine while it runs: snapshots, a disk that comes and goes, other sizes. One boot for all. */
import { execFileSync } from 'node:child_process'
import { join } from 'node:path'
import { beforeAll, describe, expect, test } from 'vitest'
import { openGuestWorld, patienceMs, request, soon, type TinyGuest, tinyGuests } from '../../../../labs/guests/world.ts'
import { cloneGuest } from '../../clone.ts'
import type { GuestState } from '../../hypervisor.ts'
import { createDiskFile, describeDiskFile } from '../../images/disk-files.ts'
import { imageStore } from '../../images/store.ts'
import { machineOf } from '../../machine.ts'

const program = join(import.meta.dirname, '../../../../bin/baton')

let tiny: TinyGuest
beforeAll(async () => {
  tiny = await tinyGuests()
})

describe('the machine of a QEMU guest', () => {
  test('is kept in snapshots, takes disks and lets them go, and has other sizes', async () => {
    await using world = await openGuestWorld()
    const { host, hypervisor } = world
    const only = async (): Promise<GuestState> => {
      const [guest] = await hypervisor.list(soon())
      if (guest === undefined) throw new Error('no guest is listed')
      return guest
    }
    const serves = async (): Promise<string> => {
      const [reach] = (await only()).reach
      return reach === undefined ? '' : request(reach).catch(() => '')
    }
    const machine = {
      ...machineOf(hypervisor, 'takeSnapshot'),
      ...machineOf(hypervisor, 'snapshots'),
      ...machineOf(hypervisor, 'revertSnapshot'),
      ...machineOf(hypervisor, 'deleteSnapshot'),
      ...machineOf(hypervisor, 'attach'),
      ...machineOf(hypervisor, 'detach'),
      ...machineOf(hypervisor, 'devices'),
      ...machineOf(hypervisor, 'resize'),
      ...machineOf(hypervisor, 'screenshot'),
    }
    const mebibyte = 1024 ** 2
    await hypervisor.define(tiny('one', { disks: [{ sizeBytes: 16 * mebibyte }] }), soon())
    await machine.takeSnapshot('one', 'off', soon())
    await hypervisor.start('one', soon())
    await expect.poll(serves, { timeout: patienceMs, interval: 200 }).toContain('hello from one')

    await machine.takeSnapshot('one', 'on', soon())
    await expect(machine.takeSnapshot('one', 'on', soon())).rejects.toMatchObject({ code: 'already-exists' })
    expect(await machine.snapshots('one', soon())).toMatchObject([
      { name: 'off', hasMemory: false, isCurrent: false },
      { name: 'on', hasMemory: true, isCurrent: true },
    ])
    expect(await serves()).toContain('hello from one')
    const line = await hypervisor.console('one', soon())
    line.write('echo changed > /www/index.html\n')
    await expect.poll(serves, { timeout: patienceMs, interval: 200 }).toContain('changed')
    await machine.revertSnapshot('one', 'on', soon())
    await expect.poll(serves, { timeout: patienceMs, interval: 200 }).toContain('hello from one')

    const path = `${host.directories.state}/extra.qcow2`
    await createDiskFile(host, { path, format: 'qcow2', sizeBytes: 8 * mebibyte }, soon())
    const disk = { kind: 'disk', path, format: 'qcow2', isReadOnly: false } as const
    await machine.attach('one', disk, soon())
    await expect(machine.attach('one', disk, soon())).rejects.toMatchObject({ code: 'already-exists' })
    expect(await machine.devices('one', soon())).toEqual([{ kind: 'disk', name: path }])
    line.write('cat /sys/class/block/vdb/size > /www/index.html\n')
    await expect.poll(serves, { timeout: patienceMs, interval: 200 }).toContain('16384')
    await machine.detach('one', path, soon())
    line.write('ls /sys/class/block > /www/index.html\n')
    await expect.poll(serves, { timeout: patienceMs, interval: 200 }).toMatch(/vda(?!.*vdb)/s)
    line.destroy()

    expect(await machine.resize('one', { memoryBytes: 80 * mebibyte }, soon())).toBe('now')
    expect(await machine.resize('one', { vcpus: 2 }, soon())).toBe('next-start')
    await expect(machine.screenshot('one', soon())).rejects.toMatchObject({ code: 'unsupported' })

    await machine.revertSnapshot('one', 'off', soon())
    expect(await only()).toMatchObject({ state: 'stopped', definition: { vcpus: 2, memoryBytes: 80 * mebibyte } })
    await machine.deleteSnapshot('one', 'on', soon())
    expect((await machine.snapshots('one', soon())).map(({ name }) => name)).toEqual(['off'])
    await machine.attach('one', { kind: 'network', user: true }, soon())
    await hypervisor.start('one', soon())
    expect(await only()).toMatchObject({ state: 'running' })
    await hypervisor.undefine('one', soon())
    await host.remove(path, soon())
    expect(await world.leftovers()).toEqual([])
  })

  test('is shown by its screen, made once more, and captured as an image', async () => {
    await using world = await openGuestWorld()
    const { host, hypervisor } = world
    const base = { path: `${host.directories.state}/base.raw`, format: 'raw' } as const
    await host.writeFile(base.path, new Uint8Array(4 * 1024 ** 2), soon())
    const network = { kind: 'user', forwards: [] } as const
    await hypervisor.define(tiny('bare', { boot: { kind: 'disk' }, disks: [{ base }], network }), soon())
    await hypervisor.start('bare', soon())
    const picture = await machineOf(hypervisor, 'screenshot').screenshot('bare', soon())
    expect(picture).toMatchObject({ type: 'image/png' })
    const [running] = await hypervisor.list(soon())
    if (running === undefined) throw new Error('no guest is listed')
    const saying = { ...soon(), progress: () => {} }
    await expect(cloneGuest(host, hypervisor, running, 'twin', saying)).rejects.toMatchObject({ code: 'invalid' })
    await hypervisor.destroy('bare', soon())
    await cloneGuest(host, hypervisor, { ...running, state: 'stopped' }, 'twin', saying)
    await hypervisor.start('twin', soon())
    const [bare, twin] = await hypervisor.list(soon())
    expect([bare?.state, twin?.state, twin?.definition.name]).toEqual(['stopped', 'running', 'twin'])
    if (bare === undefined) throw new Error('no guest is listed')
    await expect(cloneGuest(host, hypervisor, bare, 'twin', saying)).rejects.toMatchObject({ code: 'already-exists' })
    await hypervisor.undefine('twin', soon())

    const { runtime, state, cache } = host.directories
    const captured = execFileSync(process.execPath, [program, 'image', 'capture', '--json', 'bare', 'golden'], {
      encoding: 'utf8',
      env: { ...process.env, BATON_RUNTIME_DIR: runtime, BATON_STATE_DIR: state, BATON_CACHE_DIR: cache },
    })
    expect(JSON.parse(captured)).toMatchObject([
      { name: 'golden', disk: { format: 'qcow2', sizeBytes: 4 * 1024 ** 2 } },
    ])
    const stored = await imageStore(host).build('web', { kind: 'stored', name: 'golden' }, soon())
    expect((await describeDiskFile(host, stored.disk?.path ?? '', soon())).backing).toBeUndefined()
    await hypervisor.undefine('bare', soon())
  })
})
