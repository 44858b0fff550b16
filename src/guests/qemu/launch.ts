/** Starting a QEMU process, from a definition or from saved memory. */
import { setTimeout as sleep } from 'node:timers/promises'
import { InfraError } from '../../errors.ts'
import type { Host, RunResult } from '../../hosts/host.ts'
import { abortError } from '../../hosts/local/failures.ts'
import type { CallOptions, GuestDefinition, GuestReach } from '../hypervisor.ts'
import { readJson } from '../records.ts'
import { ensureDisk } from '../storage/dir.ts'
import { findAcceleration } from './acceleration.ts'
import { type Launch, qemuArguments, tapName } from './arguments.ts'
import { joinBridge } from './bridge.ts'
import { makeConsole, trimConsoleLog } from './console.ts'
import { findFlash, makeVariables } from './firmware.ts'
import { addExtraTaps, readExtras, removeExtraTaps } from './machine/extras.ts'
import type { Started } from './observe.ts'
import { checkPaths, type GuestPaths } from './paths.ts'
import { endProcess, findProcess } from './process.ts'
import { runQemu } from './program.ts'
import { withQmp } from './qmp.ts'
import { removeTap } from './tap.ts'
import { parseForwards, refusedForward } from './user-network.ts'

/**
 * Resolves when the guest executes. The caller holds the guest's lock and has seen that it is neither running nor
 * paused; what is left over of another run, also a process that never came to execute, is cleared away first.
 */
export async function launchGuest(
  host: Host,
  recorded: GuestDefinition,
  paths: GuestPaths,
  options: CallOptions & { readonly restore: boolean },
): Promise<void> {
  const { signal, restore } = options
  checkPaths(paths, recorded.name)
  const guest = restore ? await savedAs(host, recorded, paths, { signal }) : recorded
  const acceleration = await findAcceleration(host, { signal })
  await endProcess(host, guest.name, paths, { signal })
  for (const [index, disk] of guest.disks.entries()) await ensureDisk(host, paths.disk(index, disk), disk, { signal })
  await trimConsoleLog(host, paths, { signal })
  await host.remove(paths.runtime, { signal })
  await host.makeDirectory(paths.runtime, { signal, mode: 0o700 })
  try {
    await makeConsole(host, paths, { signal })
    const started: Started = { definition: guest, bootId: (await host.facts({ signal })).bootId }
    await host.writeFile(paths.started, JSON.stringify(started), { signal })
    const extras = await readExtras(host, paths, { signal })
    await addExtraTaps(host, paths, extras, { signal })
    if (guest.network.kind === 'bridge') await joinBridge(host, paths, guest.network, { signal })
    const flash = guest.hardware?.firmware === 'uefi' ? await findFlash(host, { signal }) : undefined
    if (flash !== undefined) await makeVariables(host, paths, flash, { signal })
    const found = { acceleration: acceleration.kind, extras, ...(flash === undefined ? {} : { flash }) }
    await execute(host, guest, paths, found, options)
    if (restore) await untilRestored(host, guest.name, paths, { signal })
    await notePorts(host, guest, paths, { signal })
  } catch (error) {
    await tidyFailedStart(host, guest, paths)
    throw error
  }
}

/** Asks for the ports of the last run; whichever somebody else has by now is chosen anew by the kernel. */
async function execute(
  host: Host,
  guest: GuestDefinition,
  paths: GuestPaths,
  found: Pick<Launch, 'acceleration' | 'extras' | 'flash'>,
  { signal, restore }: CallOptions & { readonly restore: boolean },
): Promise<void> {
  let ports = (await readJson<readonly GuestReach[]>(host, paths.ports, { signal })) ?? []
  for (;;) {
    const result = await runQemu(host, qemuArguments(guest, { ...found, paths, ports, restore }), { signal })
    if (result.code === 0) return
    const refused = refusedForward(result.stderr)
    const others = ports.filter(({ protocol, port }) => protocol !== refused?.protocol || port !== refused.port)
    if (others.length === ports.length) throw startFailure(guest.name, result)
    ports = others
  }
}

/** Memory fits only the machine that it was saved from; the ways in may be others by now. */
async function savedAs(
  host: Host,
  recorded: GuestDefinition,
  paths: GuestPaths,
  options: CallOptions,
): Promise<GuestDefinition> {
  const saved = (await readJson<GuestDefinition>(host, paths.savedDefinition, options)) ?? recorded
  const bothUser = saved.network.kind === 'user' && recorded.network.kind === 'user'
  return bothUser ? { ...saved, network: recorded.network } : saved
}

/** QEMU loads memory after it went to the background, and is then as it was: stopped. */
async function untilRestored(host: Host, name: string, paths: GuestPaths, { signal }: CallOptions): Promise<void> {
  const ask = (command: string): Promise<unknown> =>
    withQmp(host, paths.control, { signal }, (qmp) => qmp.execute(command)).catch(async (error: unknown) => {
      if (signal.aborted || typeof (await findProcess(host, paths, { signal })) === 'number') throw error
      throw new InfraError('failed', `restore ${name}: QEMU does not take its saved memory`, {
        subject: name,
        cause: error,
        hint: `baton destroy ${name} drops the saved memory; then it can start anew`,
      })
    })
  for (;;) {
    const { status } = (await ask('query-status')) as { readonly status: string }
    if (status !== 'inmigrate') break
    await sleep(20, undefined, { signal }).catch(() => {
      throw abortError(signal, `restore ${name}`, name)
    })
  }
  // The saved memory is out of use before the guest executes: restored twice it would not fit its disks any more.
  await host.rename(paths.saved, paths.usedMemory, { signal })
  await ask('cont')
  await host.remove(paths.usedMemory, { signal })
  await host.remove(paths.savedDefinition, { signal })
}

/** libslirp listens with a backlog of 1: a burst of connections would wait a second each, or be reset. */
export const forwardBacklog = 1024

/** Writes down the ports that the kernel chose, and makes them ready for many connections at once. */
export async function notePorts(
  host: Host,
  guest: GuestDefinition,
  paths: GuestPaths,
  options: CallOptions,
): Promise<void> {
  if (guest.network.kind !== 'user') return
  const text = await withQmp(host, paths.control, options, (qmp) => qmp.monitor('info usernet'))
  const reach = parseForwards(text)
  await host.writeFile(paths.ports, JSON.stringify(reach), options)
  const pid = await findProcess(host, paths, options)
  const ports = reach.filter(({ protocol }) => protocol === 'tcp').map(({ port }) => port)
  if (typeof pid === 'number') await host.widenBacklog(pid, ports, forwardBacklog, options)
}

/** The caller's signal may be what ended the start: this has a deadline of its own. */
async function tidyFailedStart(host: Host, guest: GuestDefinition, paths: GuestPaths): Promise<void> {
  const options = { signal: AbortSignal.timeout(15_000) }
  await endProcess(host, guest.name, paths, options)
  if (guest.network.kind === 'bridge') await removeTap(host, tapName(paths), options)
  await removeExtraTaps(host, paths, options)
  await host.remove(paths.runtime, options)
}

function startFailure(name: string, { code, stderr }: RunResult): InfraError {
  const lines = stderr.trim().split('\n')
  const reason = (lines.at(-1) ?? '').replace(/^qemu-system-\S+: /, '')
  const isMemory = /cannot set up guest memory|Cannot allocate memory/.test(stderr)
  return new InfraError('failed', `start ${name}: QEMU says: ${reason === '' ? `exit code ${code}` : reason}`, {
    subject: name,
    ...(isMemory ? { hint: 'the host has not that much free memory' } : {}),
  })
}
