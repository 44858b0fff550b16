import { describe, expect, test } from 'vitest'
import { buildService } from '../../../test/build/services.ts'
import type { DirectorStatus, ServiceStatus } from '../../director/control.ts'
import type { DrainTarget } from '../../director/states.ts'
import { InfraError } from '../../errors.ts'
import { awaitReturn, drainGuest } from './guest-drain.ts'
import type { Machine } from './machine.ts'

type Told = { readonly active: readonly number[]; readonly checks?: boolean; readonly drainMs?: number }

/** A director whose guest `web-1` has so many connections each time that it is asked; the last number stays. */
function directorOf({ active, checks = true, drainMs }: Told): Pick<Machine, 'director'> & { readonly done: string[] } {
  const done: string[] = []
  const left = [...active]
  const note = (verb: string) => async (target: DrainTarget) => {
    done.push(`${verb} ${JSON.stringify(target)}`)
    return 1
  }
  const status = async (): Promise<DirectorStatus> => {
    const now = left.length > 1 ? (left.shift() ?? 0) : (left[0] ?? 0)
    const server = { guest: 'web-1', active: now, inactive: 0, checks: checks ? [{}] : [] }
    const services = [{ name: 'www', service: buildService(), servers: [server] }] as unknown as ServiceStatus[]
    const guests = drainMs === undefined ? [] : [{ pool: 'web', guests: ['web-1'], drainMs }]
    return {
      engine: 'userspace',
      services,
      clusters: [{ cluster: 'shop', services: [], guests }],
    } as unknown as DirectorStatus
  }
  const director = { status, drain: note('drain'), undrain: note('undrain') } as unknown as Machine['director']
  return { director, done }
}

const signal = AbortSignal.timeout(30_000)
const gone = { status: () => Promise.reject(new InfraError('not-found', 'none', { subject: 'director' })) }

describe('a guest that is to go', () => {
  test('is drained and waited for until its connections have finished', async () => {
    const machine = directorOf({ active: [3, 3, 1, 0] })
    const said: string[] = []
    expect(await drainGuest(machine, 'web-1', { signal, forMs: 20_000, say: (text) => said.push(text) })).toBe(true)
    expect(machine.done).toEqual(['drain {"guest":"web-1","until":"start"}'])
    expect(said).toEqual(['web-1: drained; waiting for 3 connections'])
  })

  test.each([
    { name: 'by the option', told: { active: [2], drainMs: 60_000 }, forMs: 40, after: '0.04s' },
    { name: 'by the spec', told: { active: [2], drainMs: 30 }, forMs: undefined, after: '0.03s' },
  ])('goes nevertheless when the time is over, $name, and what is cut off is said', async ({ told, forMs, after }) => {
    const said: string[] = []
    const machine = directorOf(told)
    expect(await drainGuest(machine, 'web-1', { signal, forMs, say: (text) => said.push(text) })).toBe(true)
    expect(said.at(-1)).toBe(`web-1: 2 connections left after ${after}: they are cut off`)
  })

  test('is left alone when nobody serves it', async () => {
    const machine = directorOf({ active: [0] })
    const how = { signal, forMs: 0, say: () => {} }
    expect(await drainGuest(machine, 'db', how)).toBe(false)
    expect(await drainGuest({ director: gone as unknown as Machine['director'] }, 'web-1', how)).toBe(false)
    expect(machine.done).toEqual([])
  })

  test('comes back by its checks, and without any only when Baton starts it', async () => {
    const checked = directorOf({ active: [0] })
    await awaitReturn(checked, 'web-1', signal)
    expect(checked.done).toEqual(['undrain {"guest":"web-1","until":"start"}'])
    const unchecked = directorOf({ active: [0], checks: false })
    await awaitReturn(unchecked, 'web-1', signal)
    expect(unchecked.done).toEqual([])
  })
})
