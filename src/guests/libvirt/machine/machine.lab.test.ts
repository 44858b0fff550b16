import { writeFile } from 'node:fs/promises'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { type GuestWorld, openGuestWorld, soon, tinyGuests } from '../../../../labs/guests/world.ts'
import { type LibvirtDaemon, startLibvirt, withUri } from '../../../../labs/libvirt/daemon.ts'
import { eventually } from '../../../../labs/net/loopback.ts'
import { readyMark } from '../../images/tiny-init.ts'
import { type GuestMachine, machineOf } from '../../machine.ts'
import { openHypervisor } from '../../open.ts'

let daemon: LibvirtDaemon
let world: GuestWorld
let machine: GuestMachine

beforeAll(async () => {
  const tiny = await tinyGuests()
  daemon = await startLibvirt()
  process.env['LIBVIRT_DEFAULT_URI'] = daemon.uri
  world = await openGuestWorld('libvirt')
  const { hypervisor } = world
  machine = hypervisor.machine as GuestMachine
  await hypervisor.define(
    tiny('web', { disks: [{ sizeBytes: 64 * 1024 ** 2 }], network: { kind: 'user', forwards: [] } }),
    soon(),
  )
  await hypervisor.start('web', soon())
  await untilSaid(readyMark)
})
afterAll(async () => {
  await world.hypervisor.undefine('web', soon())
  await world.hypervisor[Symbol.asyncDispose]()
  delete process.env['LIBVIRT_DEFAULT_URI']
  await daemon[Symbol.asyncDispose]()
  await world[Symbol.asyncDispose]()
})

const state = async (): Promise<string | undefined> =>
  (await world.hypervisor.list(soon())).find(({ definition }) => definition.name === 'web')?.state

async function untilSaid(mark: string): Promise<void> {
  const read = (): Promise<string> => world.hypervisor.consoleLog('web', { ...soon(), maxBytes: 64 * 1024 })
  await eventually(`the console says ${mark}`, async () => (await read()).includes(mark), 120_000)
}

/** Types a line whose echo does not hold the mark, and waits for what it prints. */
async function askGuest(command: string, mark: string): Promise<void> {
  const line = await world.hypervisor.console('web', soon())
  line.resume().write(`\r${command}\r`)
  await untilSaid(mark)
  line.destroy()
}

describe('the machine of a guest of libvirt', () => {
  test('is kept in snapshots, with its memory, and goes back to them', async () => {
    await machine.takeSnapshot('web', 'before', soon())
    await expect(machine.takeSnapshot('web', 'before', soon())).rejects.toMatchObject({ code: 'already-exists' })
    await askGuest('echo mark$((1+1)) > /marked; cat /marked', 'mark2')
    expect(await machine.snapshots('web', soon())).toMatchObject([{ name: 'before', hasMemory: true, isCurrent: true }])
    await machine.revertSnapshot('web', 'before', soon())
    expect(await state()).toBe('running')
    await askGuest('ls /marked || echo gone$((2+2))', 'gone4')
    await machine.deleteSnapshot('web', 'before', soon())
    expect(await machine.snapshots('web', soon())).toEqual([])
    await expect(machine.revertSnapshot('web', 'before', soon())).rejects.toMatchObject({ code: 'not-found' })
  })

  test('is given a disk and an interface as it runs, and lets them go', async () => {
    const path = `${world.host.directories.state}/libvirt/extra.raw`
    await writeFile(path, new Uint8Array(1024 ** 2))
    const disk = await machine.attach('web', { kind: 'disk', path, format: 'raw', isReadOnly: false }, soon())
    expect(disk).toEqual({ kind: 'disk', name: path, target: 'vdb' })
    await askGuest(
      'until test -e /sys/block/vdb/size; do sleep 1; done; echo size=$(cat /sys/block/vdb/size)',
      'size=2048',
    )
    const card = await machine.attach('web', { kind: 'network', user: true }, soon())
    expect(await machine.devices('web', soon())).toEqual([disk, card])
    await expect(
      machine.attach('web', { kind: 'disk', path, format: 'raw', isReadOnly: false }, soon()),
    ).rejects.toMatchObject({ code: 'already-exists' })
    await machine.detach('web', path, soon())
    await machine.detach('web', card.name, soon())
    expect(await machine.devices('web', soon())).toEqual([])
    await askGuest('test -e /sys/block/vdb || echo away$((3+3))', 'away6')
    await expect(machine.detach('web', path, soon())).rejects.toMatchObject({ code: 'not-found' })
    await world.host.remove(path, soon())
  })

  test('takes a smaller memory at once, and more than it was started with at its next start', async () => {
    expect(await machine.resize('web', { memoryBytes: 80 * 1024 ** 2 }, soon())).toBe('now')
    expect(await machine.resize('web', { memoryBytes: 128 * 1024 ** 2, vcpus: 2 }, soon())).toBe('next-start')
    await world.hypervisor.destroy('web', soon())
    const [guest] = await world.hypervisor.list(soon())
    expect(guest?.definition).toMatchObject({ memoryBytes: 128 * 1024 ** 2, vcpus: 2 })
    expect(await machine.resize('web', { memoryBytes: 96 * 1024 ** 2, vcpus: 1 }, soon())).toBe('now')
    await world.hypervisor.start('web', soon())
  })

  test('without a screen gives no picture, and says what shows something', async () => {
    const hint = expect.stringContaining('baton console --log') as string
    await expect(machine.screenshot('web', soon())).rejects.toMatchObject({ code: 'unsupported', hint })
  })

  test('moves to another daemon as it runs', async () => {
    const tiny = await tinyGuests()
    const { hypervisor, host } = world
    await hypervisor.define(tiny('mover', { network: { kind: 'user', forwards: [] } }), soon())
    await hypervisor.start('mover', soon())
    await using there = await startLibvirt()
    await machine.migrate('mover', there.uri.replace('qemu:', 'qemu+unix:'), soon())
    expect((await hypervisor.list(soon())).map(({ definition }) => definition.name)).toEqual(['web'])
    await withUri(there.uri, async () => {
      const other = openHypervisor('libvirt', host)
      expect(await other.list(soon())).toMatchObject([{ definition: { name: 'mover' }, state: 'running' }])
      await other.undefine('mover', soon())
      await other[Symbol.asyncDispose]()
    })
    for (const to of ['nowhere', 'qemu:///system'])
      await expect(machine.migrate('web', to, soon())).rejects.toMatchObject({ code: 'invalid' })
  })
})

test('a hypervisor that cannot says so, with what can be done instead', () => {
  const { machine: _machine, ...without } = world.hypervisor
  expect(() => machineOf(without, 'migrate')).toThrow(expect.objectContaining({ code: 'unsupported' }) as Error)
})
