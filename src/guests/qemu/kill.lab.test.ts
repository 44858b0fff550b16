/** A command that is killed at any of its steps: the next one finishes its work, with nothing doubled or leaked. */
import { beforeAll, describe, expect, test } from 'vitest'
import { openGuestWorld, soon, type TinyGuest, tinyGuests } from '../../../labs/guests/world.ts'
import type { Host } from '../../hosts/host.ts'
import type { GuestDefinition, GuestRunState, Hypervisor } from '../hypervisor.ts'
import { qemuHypervisor } from './qemu.ts'

let tiny: TinyGuest
beforeAll(async () => {
  tiny = await tinyGuests()
})
const definition = (): GuestDefinition => tiny('one', { disks: [{ sizeBytes: 1024 ** 2 }] })

class Killed extends Error {}

type Mortal = { readonly host: Host; readonly calls: () => number; readonly isDead: () => boolean }

/**
 * A host for one command that is killed at its n-th call: from then on no call does anything, and its locks are free,
 * as the kernel frees them. A program that the call starts lives on, as it does in life.
 */
function mortal(host: Host, dieAt: number): Mortal {
  let calls = 0
  let isDead = false
  const locks = new Set<AsyncDisposable>()
  const die = async (): Promise<never> => {
    isDead = true
    await Promise.all([...locks].map((lock) => lock[Symbol.asyncDispose]()))
    throw new Killed()
  }
  const wrap =
    <A extends readonly unknown[], R>(method: (...args: A) => Promise<R>, orphans: boolean) =>
    async (...args: A): Promise<R> => {
      if (isDead) throw new Killed()
      calls += 1
      if (calls === dieAt) {
        if (orphans) method(...args).catch(() => undefined)
        return die()
      }
      const result = await method(...args)
      if (isDead) throw new Killed()
      return result
    }
  return {
    calls: () => calls,
    isDead: () => isDead,
    host: {
      ...host,
      facts: wrap((...args: Parameters<Host['facts']>) => host.facts(...args), false),
      run: wrap((...args: Parameters<Host['run']>) => host.run(...args), true),
      readFile: wrap((...args: Parameters<Host['readFile']>) => host.readFile(...args), false),
      writeFile: wrap((...args: Parameters<Host['writeFile']>) => host.writeFile(...args), false),
      list: wrap((...args: Parameters<Host['list']>) => host.list(...args), false),
      makeDirectory: wrap((...args: Parameters<Host['makeDirectory']>) => host.makeDirectory(...args), false),
      rename: wrap((...args: Parameters<Host['rename']>) => host.rename(...args), false),
      remove: wrap((...args: Parameters<Host['remove']>) => host.remove(...args), false),
      connect: wrap((...args: Parameters<Host['connect']>) => host.connect(...args), false),
      signal: wrap((...args: Parameters<Host['signal']>) => host.signal(...args), false),
      lock: wrap(async (path, options) => {
        const lock = await host.lock(path, options)
        locks.add(lock)
        return {
          [Symbol.asyncDispose]: async () => {
            if (locks.delete(lock) && !isDead) await lock[Symbol.asyncDispose]()
          },
        }
      }, false),
    },
  }
}

type Walk = (hypervisor: Hypervisor) => Promise<void>

/** How far the places lie apart at which it is killed: all of them take minutes. Where they begin is left to chance. */
const apart = Number(process.env['KILL_LAB_APART'] ?? 2)

/** Runs the walk again and again, each time in a new world and killed some calls later, until it comes through. */
async function killEverywhere(
  prepare: Walk,
  walk: Walk,
  check: (world: Awaited<ReturnType<typeof openGuestWorld>>) => Promise<void>,
): Promise<number> {
  for (let dieAt = 1 + Math.floor(Math.random() * apart); ; dieAt += apart) {
    await using world = await openGuestWorld()
    await prepare(world.hypervisor)
    const victim = mortal(world.host, dieAt)
    await walk(qemuHypervisor(victim.host)).catch((error: unknown) => {
      if (!victim.isDead()) throw error
    })
    try {
      await check(world)
    } catch (error) {
      throw new Error(`killed at call ${dieAt}`, { cause: error })
    }
    if (!victim.isDead()) return dieAt
  }
}

async function stateOf(hypervisor: Hypervisor): Promise<GuestRunState | undefined> {
  return (await hypervisor.list(soon()))[0]?.state
}

const notSweepable = (leftover: string): boolean => !/\/guests$|\/\.one\.lock$/.test(leftover)

describe('a killed command', () => {
  test('define and start, killed anywhere, are finished by doing them again', { timeout: 600_000 }, async () => {
    const up: Walk = async (hypervisor) => {
      await hypervisor.define(definition(), soon())
      await hypervisor.start('one', soon())
    }
    const calls = await killEverywhere(
      async () => {},
      up,
      async ({ hypervisor, processes, leftovers }) => {
        const wasListed = (await stateOf(hypervisor)) !== undefined
        if (!wasListed)
          expect((await leftovers()).filter(notSweepable).filter((path) => !path.endsWith('/one'))).toEqual([])
        await up(hypervisor)
        expect(await stateOf(hypervisor)).toBe('running')
        expect(await processes()).toHaveLength(1)
        await hypervisor.undefine('one', soon())
        expect(await leftovers()).toEqual([])
      },
    )
    expect(calls).toBeGreaterThan(20)
  })

  test('a save and a restore, killed anywhere, keep the memory or the running guest', {
    timeout: 600_000,
  }, async () => {
    const up: Walk = async (hypervisor) => {
      await hypervisor.define(definition(), soon())
      await hypervisor.start('one', soon())
    }
    const saveAndGoOn: Walk = async (hypervisor) => {
      await hypervisor.save('one', soon())
      await hypervisor.start('one', soon())
    }
    const calls = await killEverywhere(up, saveAndGoOn, async ({ hypervisor, processes, leftovers }) => {
      expect(['running', 'paused', 'saved']).toContain(await stateOf(hypervisor))
      await hypervisor.save('one', soon())
      expect(await stateOf(hypervisor)).toBe('saved')
      expect(await processes()).toEqual([])
      await hypervisor.start('one', soon())
      expect(await stateOf(hypervisor)).toBe('running')
      expect((await leftovers()).filter((path) => path.includes('saved'))).toEqual([])
      await hypervisor.undefine('one', soon())
      expect(await leftovers()).toEqual([])
    })
    expect(calls).toBeGreaterThan(20)
  })

  test('an undefine, killed anywhere, has left nothing or a guest that is listed', { timeout: 600_000 }, async () => {
    const up: Walk = async (hypervisor) => {
      await hypervisor.define(definition(), soon())
      await hypervisor.start('one', soon())
    }
    const down: Walk = (hypervisor) => hypervisor.undefine('one', soon())
    const calls = await killEverywhere(up, down, async ({ hypervisor, leftovers }) => {
      if ((await stateOf(hypervisor)) === undefined) expect((await leftovers()).filter(notSweepable)).toEqual([])
      await down(hypervisor)
      expect(await leftovers()).toEqual([])
    })
    expect(calls).toBeGreaterThan(10)
  })
})
