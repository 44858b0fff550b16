/** A guest leaves the services of this machine's director before it goes, and comes back only when its checks pass. */
import { setTimeout as sleep } from 'node:timers/promises'
import type { Command } from 'commander'
import { within } from '../../deadline.ts'
import { busyConnections, careOf, serversOfGuest } from '../../director/guest-servers.ts'
import { isInfraError } from '../../errors.ts'
import { askMs, durationOption } from '../deadline-options.ts'
import { count } from '../views/units.ts'
import { directorStatus, type Machine } from './machine.ts'

type Draining = {
  readonly signal: AbortSignal
  /** How long its connections may take to finish; undefined: as the spec says. */
  readonly forMs: number | undefined
  readonly say: (text: string) => void
}

/** How long connections may take where nobody has said. */
const usualDrainMs = 15_000
const pollMs = { first: 20, most: 500 }

export type DrainOptions = { readonly drain?: boolean; readonly drainTimeout?: number }

/** For a command that takes a guest away from its clients. */
export function addDrainOptions(command: Command): Command {
  return command
    .option('--no-drain', 'at once: connections are cut off')
    .option(
      '--drain-timeout <duration>',
      `how long connections may take to finish (default the pool's drain:, else ${usualDrainMs / 1000}s)`,
      durationOption,
    )
}

type DirectorOf = Pick<Machine, 'director'>

/** false when no service has the guest: there is nothing to come back to. What is left when the time is over is said. */
export async function drainGuest(
  machine: DirectorOf,
  guest: string,
  { signal, forMs, say }: Draining,
): Promise<boolean> {
  const before = await directorStatus(machine, { signal: within(signal, askMs) })
  if (before === undefined || serversOfGuest(before, guest).length === 0) return false
  await machine.director.drain({ guest, until: 'start' }, { signal: within(signal, askMs) })
  const patienceMs = forMs ?? careOf(before.clusters, guest)?.drainMs ?? usualDrainMs
  const end = performance.now() + patienceMs
  for (let waitMs = pollMs.first; ; waitMs = Math.min(waitMs * 2, pollMs.most)) {
    const status = await directorStatus(machine, { signal: within(signal, askMs) })
    const left = status === undefined ? 0 : busyConnections(status, guest)
    if (left === 0) return true
    const leftMs = end - performance.now()
    if (leftMs <= 0) {
      say(`${guest}: ${count(left, 'connection')} left after ${patienceMs / 1000}s: they are cut off`)
      return true
    }
    if (waitMs === pollMs.first) say(`${guest}: drained; waiting for ${count(left, 'connection')}`)
    await sleep(Math.min(waitMs, leftMs), undefined, { signal })
  }
}

/**
 * Once the guest has gone: where its servers are checked, they say when it is back, whoever starts it. Where they are not, it
 * stays drained until Baton starts it.
 */
export async function awaitReturn(machine: DirectorOf, guest: string, signal: AbortSignal): Promise<void> {
  const status = await directorStatus(machine, { signal: within(signal, askMs) })
  if (status === undefined) return
  if (serversOfGuest(status, guest).every(({ checks }) => checks.length > 0)) await letBack(machine, guest, signal)
}

/** It has not gone after all, or is back. */
export async function letBack(machine: DirectorOf, guest: string, signal: AbortSignal): Promise<void> {
  try {
    await machine.director.undrain({ guest, until: 'start' }, { signal: within(signal, askMs) })
  } catch (error) {
    if (!isInfraError(error, 'not-found')) throw error
  }
}
