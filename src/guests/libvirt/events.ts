/** State changes as libvirt tells them: nothing is asked again and again. */
import type { CallOptions, GuestEvent, GuestRunState } from '../hypervisor.ts'
import type { Connection } from './connection.ts'
import { onLifecycle } from './domain-events.ts'
import { findGuest, listGuests } from './observe.ts'

/**
 * An event only says which guest to look at: what is told is how it stands then, so that a guest that changed twice is
 * told once. Ends with the signal; a lost connection goes through as an error.
 */
export async function* guestEvents(connection: Connection, options: CallOptions): AsyncGenerator<GuestEvent> {
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
    const standing = new Map<string, GuestRunState>(
      (await listGuests(connection, options)).map(({ definition, state }) => [definition.name, state]),
    )
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
