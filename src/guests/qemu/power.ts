/** Powering off: the guest is asked and may take its time, so these wait without the guest's lock. */

import { setTimeout as sleep } from 'node:timers/promises'
import { anySignal } from '../../deadline.ts'
import { isInfraError } from '../../errors.ts'
import type { Host } from '../../hosts/host.ts'
import type { CallOptions } from '../hypervisor.ts'
import { tapName } from './arguments.ts'
import { removeExtraTaps } from './machine/extras.ts'
import { type Known, readStarted } from './observe.ts'
import type { GuestPaths } from './paths.ts'
import { findProcess, untilGone } from './process.ts'
import { withQmp } from './qmp.ts'
import { removeTap } from './tap.ts'

/** How often the power button is pressed again: a guest that still boots does not hear the first press. */
const powerButtonMs = 3_000

export async function pressPowerButton(host: Host, { paths, state }: Known, options: CallOptions): Promise<void> {
  await withQmp(host, paths.control, options, async (qmp) => {
    // A paused guest is woken: it has to answer.
    if (state === 'paused') await qmp.execute('cont')
    await qmp.execute('system_powerdown')
  })
}

/** Until the process is gone, pressing again now and then. @throws InfraError `timeout` with the signal's deadline. */
export async function untilPoweredOff(host: Host, guest: Known, options: CallOptions): Promise<void> {
  const { paths, pid, definition } = guest
  if (pid === undefined) return
  const done = new AbortController()
  const what = `shut down ${definition.name}`
  const hint = `the guest may not listen to its power button: baton destroy ${definition.name} ends it at once`
  const gone = untilGone(host, pid, paths, { ...options, what, hint }).finally(() => done.abort())
  const pressed = keepPressing(host, guest, anySignal(done.signal, options.signal))
  // Together, so that neither fails while nobody listens; why the process is still there counts first.
  for (const outcome of await Promise.allSettled([gone, pressed]))
    if (outcome.status === 'rejected') throw outcome.reason
}

async function keepPressing(host: Host, guest: Known, signal: AbortSignal): Promise<void> {
  while (!signal.aborted) {
    await sleep(powerButtonMs, undefined, { signal }).catch(() => {})
    if (signal.aborted) return
    // An error here says that it has gone or is busy going, which is what is waited for.
    await pressPowerButton(host, guest, { signal }).catch((error: unknown) => {
      if (!isInfraError(error)) throw error
    })
  }
}

/** Nothing of a run is left, not even the traces by which a crash is known. The caller holds the guest's lock. */
export async function clearRun(host: Host, paths: GuestPaths, options: CallOptions): Promise<void> {
  if (typeof (await findProcess(host, paths, options)) === 'number') return // it was started again meanwhile
  const started = await readStarted(host, paths, options)
  if (started?.definition.network.kind === 'bridge') await removeTap(host, tapName(paths), options)
  await removeExtraTaps(host, paths, options)
  await host.remove(paths.runtime, options)
}
