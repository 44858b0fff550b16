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
    expect((await hypervisor.list(soon())).map((guest) => guest.state)).toEqual(['running', 'stopped'])
    expect(performance.now() - begun).toBeLessThan(5_000)
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

  test('fifty guests are listed in a moment', async () => {
    await using world = await openGuestWorld()
    const { hypervisor } = world
    const names = Array.from({ length: 50 }, (_, index) => `g-${index}`)
    await Promise.all(names.map((name) => hypervisor.define(definition(name), soon())))
    await Promise.all(names.slice(0, 4).map((name) => hypervisor.start(name, soon())))
    const begun = performance.now()
    expect(await hypervisor.list(soon())).toHaveLength(50)
    expect(performance.now() - begun).toBeLessThan(2_000)
  })
})
