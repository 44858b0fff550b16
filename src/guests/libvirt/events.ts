/** State changes as libvirt tells them: nothing is asked again and again. */
import { setTimeout as sleep } from 'node:timers/promises'
import { within } from '../../deadline.ts'
import { InfraError } from '../../errors.ts'
import type { CallOptions, GuestEvent, GuestRunState } from '../hypervisor.ts'
import type { Connection } from './connection.ts'
import { onLifecycle } from './domain-events.ts'
import { findGuest, listGuests } from './observe.ts'

/** For so long a daemon that went away is looked for: it is restarted, or its host. */
const reconnectMs = 120_000
const pauses = { firstMs: 100, mostMs: 5_000 } as const

/**
 * An event only says which guest to look at: what is told is how it stands then, so that a guest that changed twice is
 * told once. A connection that is lost is opened again, and what has changed meanwhile is told. Ends with the signal.
 * @throws InfraError when the daemon does not come back.
 */
export async function* guestEvents(
  open: (options: CallOptions) => Promise<Connection>,
  options: CallOptions,
): AsyncGenerator<GuestEvent> {
  const told: Told = {}
  let connection = await open(options)
  for (;;) {
    try {
      return yield* changesOn(connection, told, options)
    } catch (error) {
      if (!connection.lost.aborted || options.signal.aborted) throw error
    }
    connection = await openAgain(open, options)
  }
}

async function openAgain(
  open: (options: CallOptions) => Promise<Connection>,
  { signal }: CallOptions,
): Promise<Connection> {
  const deadline = within(signal, reconnectMs)
  for (let pauseMs: number = pauses.firstMs; ; pauseMs = Math.min(2 * pauseMs, pauses.mostMs)) {
    try {
      return await open({ signal: deadline })
    } catch (error) {
      if (deadline.aborted || !(error instanceof InfraError)) throw error
      await sleep(pauseMs, undefined, { signal: deadline }).catch(() => {})
      if (deadline.aborted) throw error
    }
  }
}

/** How each guest was told to stand last; undefined before the first look. */
type Told = { standing?: Map<string, GuestRunState> }

/** A lost connection goes through as an error. */
async function* changesOn(connection: Connection, told: Told, options: CallOptions): AsyncGenerator<GuestEvent> {
  const { signal } = options
  const changed = new Set<string>()
  let wake = (): void => {}
  const ignore = await onLifecycle(connection, ({ name }) => {
    changed.add(name)
    wake()
  })
  const woken = (): void => wake()
  signal.addEventListener('abort', woken)
  connection.lost.addEventListener('abort', woken)
  try {
    const guests = await listGuests(connection, options)
    if (told.standing !== undefined)
      for (const name of [...told.standing.keys(), ...guests.map(({ definition }) => definition.name)])
        changed.add(name)
    told.standing ??= new Map(guests.map(({ definition, state }) => [definition.name, state]))
    const { standing } = told
    while (!signal.aborted) {
      for (const name of [...changed]) {
        changed.delete(name)
        const state = (await findGuest(connection, name, options))?.state
        const before = standing.get(name)
        // One that was off and is paused is just being started: see startGuest.
        if (state === before || (state === 'paused' && before !== 'running')) continue
        if (state === undefined) standing.delete(name)
        else standing.set(name, state)
        yield { guest: name, state: state ?? 'removed' }
      }
      if (connection.lost.aborted) throw connection.lost.reason
      if (changed.size === 0 && !signal.aborted)
        await new Promise<void>((resolve) => {
          wake = resolve
        })
    }
  } finally {
    signal.removeEventListener('abort', woken)
    connection.lost.removeEventListener('abort', woken)
    ignore()
  }
}
