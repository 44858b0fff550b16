import { readFile, writeFile } from 'node:fs/promises'
import { createServer } from 'node:net'
import { beforeAll, describe, expect, test } from 'vitest'
import { openGuestWorld, patienceMs, request, soon, type TinyGuest, tinyGuests } from '../../../labs/guests/world.ts'
import { hypervisorContract } from '../hypervisor.contract.ts'
import type { GuestDefinition, GuestState, Hypervisor } from '../hypervisor.ts'
import { readyMark } from '../images/tiny-init.ts'
import { openHypervisor } from '../open.ts'
import { guestPaths } from './paths.ts'

let tiny: TinyGuest
beforeAll(async () => {
  tiny = await tinyGuests()
})
const definition: TinyGuest = (name, change) => tiny(name, change)

/** A disk that prints a word on the serial port: mov si,text; next: lodsb; test al,al; jz end; mov dx,0x3f8; out dx,al; jmp next. */
function bootSector(word: string): Uint8Array {
  const code = [0xbe, 0x10, 0x7c, 0xac, 0x84, 0xc0, 0x74, 0x06, 0xba, 0xf8, 0x03, 0xee, 0xeb, 0xf5, 0xf4, 0xf4]
  const disk = new Uint8Array(1024 ** 2)
  disk.set([...code, ...new TextEncoder().encode(word)])
  disk.set([0x55, 0xaa], 510)
  return disk
}

async function find(hypervisor: Hypervisor, name: string): Promise<GuestState> {
  const guest = (await hypervisor.list(soon())).find((one) => one.definition.name === name)
  if (guest === undefined) throw new Error(`${name} is not listed`)
  return guest
}

async function pidOf(hypervisor: Hypervisor, name: string): Promise<number> {
  const { id } = await find(hypervisor, name)
  if (id === undefined) throw new Error(`${name} has no process`)
  return id
}

hypervisorContract('qemu', async () => {
  const world = await openGuestWorld()
  const { host, hypervisor, leftovers } = world
  return {
    hypervisor,
    definition,
    request,
    leftovers,
    patienceMs,
    bootMark: readyMark,
    another: () => openHypervisor('qemu', host),
    kill: async (name) => void process.kill(await pidOf(hypervisor, name), 'SIGKILL'),
    async powerOff(name) {
      const console = await hypervisor.console(name, soon())
      console.write('\rpoweroff -f\r')
      console.resume()
      console.once('end', () => console.destroy())
    },
    [Symbol.asyncDispose]: world[Symbol.asyncDispose],
  }
})

describe('qemu', () => {
  test('a pid file that names another program is survived', async () => {
    await using world = await openGuestWorld()
    const { hypervisor, host } = world
    await hypervisor.define(definition('one'), soon())
    await hypervisor.start('one', soon())
    const { pid } = guestPaths(host.directories, 'one')
    process.kill(await pidOf(hypervisor, 'one'), 'SIGKILL')
    await expect.poll(() => world.processes()).toEqual([])
    await writeFile(pid, String(process.pid))
    expect((await find(hypervisor, 'one')).state).toBe('crashed')
    await hypervisor.destroy('one', soon())
    await hypervisor.start('one', soon())
    expect(await readFile(pid, 'utf8')).toBe(`${await pidOf(hypervisor, 'one')}\n`)
  })

  test('a process whose pid file was deleted is not left running beside a new one', async () => {
    await using world = await openGuestWorld()
    const { hypervisor, host } = world
    await hypervisor.define(definition('one'), soon())
    await hypervisor.start('one', soon())
    await host.remove(guestPaths(host.directories, 'one').pid, soon())
    await hypervisor.start('one', soon())
    expect(await world.processes()).toEqual([await pidOf(hypervisor, 'one')])
    await host.remove(guestPaths(host.directories, 'one').pid, soon())
    await hypervisor.undefine('one', soon())
    expect(await world.leftovers()).toEqual([])
  })

  test('a port that somebody else has meanwhile is chosen anew, the others stay', async () => {
    await using world = await openGuestWorld()
    const { hypervisor } = world
    const forwards = [80, 81].map((port) => ({ protocol: 'tcp', port }) as const)
    await hypervisor.define(definition('one', { network: { kind: 'user', forwards } }), soon())
    await hypervisor.start('one', soon())
    const before = (await find(hypervisor, 'one')).reach
    await hypervisor.destroy('one', soon())
    await using thief = createServer()
    await new Promise<void>((resolve) => thief.listen(before[0]?.port, '127.0.0.1', resolve))
    await hypervisor.start('one', soon())
    const after = (await find(hypervisor, 'one')).reach
    expect(after.map((way) => way.guestPort)).toEqual([80, 81])
    expect(after[0]?.port).not.toBe(before[0]?.port)
    expect(after[1]).toEqual(before[1])
  })

  test('a stopped process does not hold up the list, and is still ended', async () => {
    await using world = await openGuestWorld()
    const { hypervisor } = world
    await hypervisor.define(definition('one'), soon())
    await hypervisor.define(definition('two'), soon())
    await hypervisor.start('one', soon())
    process.kill(await pidOf(hypervisor, 'one'), 'SIGSTOP')
    const begun = performance.now()
    const [one, two] = await hypervisor.list(soon())
    expect(performance.now() - begun).toBeLessThan(10_000)
    expect([one?.state, two?.state]).toEqual(['running', 'stopped'])
    expect(one?.reach).toHaveLength(1)
    await hypervisor.undefine('one', soon())
    expect(await world.processes()).toEqual([])
  })

  test('a shutdown that the guest does not follow ends with its deadline, and a destroy comes through meanwhile', async () => {
    await using world = await openGuestWorld()
    const { hypervisor } = world
    // A kernel without an init hangs in panic and never hears its power button.
    const boot = { ...definition('one').boot, cmdline: 'console=ttyS0 rdinit=/none panic=0' } as GuestDefinition['boot']
    await hypervisor.define(definition('one', { boot }), soon())
    await hypervisor.start('one', soon())
    const failing = hypervisor.shutdown('one', { signal: AbortSignal.timeout(300) })
    await expect(failing).rejects.toMatchObject({ code: 'timeout', hint: expect.stringContaining('baton destroy') })
    const waiting = hypervisor.shutdown('one', soon())
    await hypervisor.destroy('one', soon())
    await waiting
    expect((await find(hypervisor, 'one')).state).toBe('stopped')
  })

  test('memory that QEMU does not take is told, and kept until it is dropped', async () => {
    await using world = await openGuestWorld()
    const { hypervisor, host } = world
    await hypervisor.define(definition('one'), soon())
    await hypervisor.start('one', soon())
    await hypervisor.save('one', soon())
    await host.writeFile(guestPaths(host.directories, 'one').saved, 'no memory', soon())
    await expect(hypervisor.start('one', soon())).rejects.toMatchObject({ code: 'failed' })
    expect((await find(hypervisor, 'one')).state).toBe('saved')
    await hypervisor.destroy('one', soon())
    await hypervisor.start('one', soon())
    expect((await find(hypervisor, 'one')).state).toBe('running')
  })

  test('a definition changed while the guest is saved waits until its next start', async () => {
    await using world = await openGuestWorld()
    const { hypervisor } = world
    await hypervisor.define(definition('one'), soon())
    await hypervisor.start('one', soon())
    await hypervisor.save('one', soon())
    await hypervisor.define(definition('one', { memoryBytes: 128 * 1024 ** 2 }), soon())
    await hypervisor.start('one', soon())
    expect((await find(hypervisor, 'one')).definition.memoryBytes).toBe(96 * 1024 ** 2)
    await hypervisor.destroy('one', soon())
    await hypervisor.start('one', soon())
    expect((await find(hypervisor, 'one')).definition.memoryBytes).toBe(128 * 1024 ** 2)
  })

  test('a guest boots from an overlay over its image, and the image stays as it is', async () => {
    await using world = await openGuestWorld()
    const { hypervisor, host } = world
    const image = `${host.directories.cache}/disk.img`
    await host.writeFile(image, bootSector('booted'), soon())
    const base = { path: image, format: 'raw' } as const
    const disks = [{ base, sizeBytes: 8 * 1024 ** 2 }]
    await hypervisor.define(definition('one', { boot: { kind: 'disk' }, disks }), soon())
    await hypervisor.start('one', soon())
    const log = (): Promise<string> => hypervisor.consoleLog('one', { maxBytes: 1000, ...soon() })
    await expect.poll(log, { timeout: patienceMs, interval: 50 }).toContain('booted')
    const { disk } = await hypervisor.statistics('one', soon())
    expect(disk.readBytes).toBeGreaterThan(0)
    expect(await host.readFile(image, soon())).toEqual(Buffer.from(bootSector('booted')))
  })

  test('a disk lies where its host keeps storage, and goes with its guest', async () => {
    await using world = await openGuestWorld()
    const { hypervisor, host } = world
    const directory = `${host.directories.cache}/storage`
    await hypervisor.define(definition('one', { disks: [{ sizeBytes: 8 * 1024 ** 2, directory }] }), soon())
    await hypervisor.start('one', soon())
    expect(await host.list(directory, soon())).toEqual(['one-disk0.qcow2'])
    expect(await host.list(`${host.directories.state}/guests/one`, soon())).not.toContain('disk0.qcow2')
    await hypervisor.undefine('one', soon())
    expect(await host.list(directory, soon())).toEqual([])
  })

  test('what a guest wrote on its disk is there after a restart, and after it was defined again', async () => {
    await using world = await openGuestWorld()
    const { hypervisor } = world
    const withDisk = definition('one', { disks: [{ sizeBytes: 8 * 1024 ** 2 }] })
    const log = (): Promise<string> => hypervisor.consoleLog('one', { maxBytes: 65_536, ...soon() })
    const poll = { timeout: patienceMs, interval: 50 }
    const type = async (line: string): Promise<void> => {
      const console = await hypervisor.console('one', soon())
      await new Promise<void>((resolve) => console.write(`${line}\r`, () => resolve()))
      console.destroy()
    }
    await hypervisor.define(withDisk, soon())
    await hypervisor.start('one', soon())
    await expect.poll(log, poll).toContain(readyMark)
    await type('printf abc123 | dd of=/dev/vda conv=fsync && echo wri""tten')
    await expect.poll(log, poll).toContain('written')
    await hypervisor.destroy('one', soon())
    await hypervisor.define({ ...withDisk, memoryBytes: 112 * 1024 ** 2 }, soon())
    await hypervisor.start('one', soon())
    await expect.poll(async () => (await log()).split(readyMark).length, poll).toBe(3)
    await type('echo disk-$(head -c 6 /dev/vda)')
    await expect.poll(log, poll).toContain('disk-abc123')
  })

  test('fifty guests are listed in a moment', async () => {
    await using world = await openGuestWorld()
    const { hypervisor } = world
    const names = Array.from({ length: 50 }, (_, index) => `g-${index}`)
    await Promise.all(names.map((name) => hypervisor.define(definition(name), soon())))
    await Promise.all(names.slice(0, 4).map((name) => hypervisor.start(name, soon())))
    const begun = performance.now()
    expect(await hypervisor.list(soon())).toHaveLength(50)
    expect(performance.now() - begun).toBeLessThan(5_000)
  })
})
