/** The hypervisor `qemu`: plain QEMU processes, no daemon, no root. What it knows of a guest is in files on the host. */
import { tidying } from '../../deadline.ts'
import { Bug, InfraError } from '../../errors.ts'
import type { Host } from '../../hosts/host.ts'
import type { CallOptions, GuestDefinition, GuestStatistics, Hypervisor, HypervisorInfo } from '../hypervisor.ts'
import { checkDefinition, type GuestOperation, isGuestName, mustAct, unknownGuest } from '../lifecycle.ts'
import { macOfGuest } from '../mac-address.ts'
import { withoutSeedContent } from '../seed.ts'
import { openSerialLine, readLogEnd } from '../serial-line.ts'
import { ensureDisk } from '../storage/dir.ts'
import { ensureSeed } from '../storage/seed-file.ts'
import { watchGuests } from '../watch.ts'
import { findAcceleration } from './acceleration.ts'
import { tapName } from './arguments.ts'
import { leaveBridge } from './bridge.ts'
import { serialLine } from './console.ts'
import { launchGuest, notePorts } from './launch.ts'
import { qemuMachine } from './machine/machine.ts'
import { saveMemory } from './memory.ts'
import { type Known, knownGuest, listGuests, readDefinition, readStarted } from './observe.ts'
import { checkPaths, type GuestPaths, guestPaths } from './paths.ts'
import { clearRun, pressPowerButton, untilPoweredOff } from './power.ts'
import { endProcess, findProcess, processUsage } from './process.ts'
import { runQemu } from './program.ts'
import { withQmp } from './qmp.ts'
import { tapCounters } from './tap.ts'
import { forwardChanges, parseForwards } from './user-network.ts'

const eventsEveryMs = 1_000

export function qemuHypervisor(host: Host): Hypervisor {
  const list: Hypervisor['list'] = (options) => listGuests(host, options)
  const operate =
    (operation: GuestOperation, change: (guest: Known, options: CallOptions) => Promise<void>) =>
    (name: string, options: CallOptions): Promise<void> =>
      changeGuest(host, name, operation, options, (guest) => change(guest, options)).then(() => undefined)
  /** Powers it off, waiting without the lock, so that an impatient `destroy` comes through; then `change` with it. */
  const powerOffAnd =
    (operation: GuestOperation, change: (guest: Known, options: CallOptions) => Promise<void>) =>
    async (name: string, options: CallOptions): Promise<void> => {
      const asked = await changeGuest(host, name, operation, options, async (guest) => {
        if (guest.pid !== undefined) await pressPowerButton(host, guest, options)
      })
      if (asked === undefined) return
      await untilPoweredOff(host, asked, options)
      await withLock(host, name, options, async (paths) => {
        if (typeof (await findProcess(host, paths, options)) !== 'number') await change(asked, options)
      })
    }
  return {
    name: 'qemu',
    info: (options) => qemuInfo(host, options),
    list,
    define: (definition, options) => defineGuest(host, definition, options),
    undefine: (name, options) => undefineGuest(host, name, options),
    async autostart(name, isWanted, options) {
      await mustBeDefined(host, name, options)
      await withLock(host, name, options, async (paths) => {
        const definition = await readDefinition(host, paths, options)
        if (definition === undefined) throw unknownGuest(name)
        await host.writeFile(paths.definition, JSON.stringify({ ...definition, autostart: isWanted }), options)
      })
    },
    start: operate('start', async ({ definition, paths, state }, options) => {
      if (state === 'paused') return resume(host, paths, options)
      await launchGuest(host, definition, paths, { ...options, restore: state === 'saved' })
    }),
    shutdown: powerOffAnd('shutdown', ({ paths }, options) => clearRun(host, paths, options)),
    destroy: operate('destroy', async ({ definition, paths }, options) => {
      await endProcess(host, definition.name, paths, options)
      await clearRun(host, paths, options)
      for (const file of [paths.saved, paths.usedMemory, paths.savedDefinition]) await host.remove(file, options)
    }),
    reboot: powerOffAnd('reboot', ({ definition, paths }, options) =>
      launchGuest(host, definition, paths, { ...options, restore: false }),
    ),
    pause: operate('pause', async ({ paths }, options) => {
      await withQmp(host, paths.control, options, (qmp) => qmp.execute('stop'))
    }),
    unpause: operate('unpause', ({ paths }, options) => resume(host, paths, options)),
    save: operate('save', async (guest, options) => {
      await saveMemory(host, guest, options)
      await endProcess(host, guest.definition.name, guest.paths, options)
      await clearRun(host, guest.paths, options)
    }),
    async console(name, options) {
      const { paths, state, pid } = await knownGuest(host, name, options)
      mustAct('console', name, state)
      if (pid === undefined) throw new Bug(`${name} is ${state} without a process`)
      return openSerialLine(host, serialLine(pid, paths), options)
    },
    async consoleLog(name, options) {
      const { paths } = await mustBeDefined(host, name, options)
      return readLogEnd(host, paths.consoleLog, options)
    },
    statistics: (name, options) => guestStatistics(host, name, options),
    machine: qemuMachine(host, {
      look: (name, options) => knownGuest(host, name, options),
      hold: (name, options, use) =>
        mustBeDefined(host, name, options).then(() =>
          withLock(host, name, options, async () => use(await knownGuest(host, name, options))),
        ),
      start: ({ definition, paths }, options) => launchGuest(host, definition, paths, { ...options, restore: false }),
      async end({ definition, paths }, options) {
        await endProcess(host, definition.name, paths, options)
        await clearRun(host, paths, options)
      },
    }),
    events: ({ signal }) => watchGuests(list, eventsEveryMs, { signal }),
    [Symbol.asyncDispose]: async () => {},
  }
}

/** One change of a guest at a time, on this host; the lock's file goes with the change. */
async function withLock<T>(
  host: Host,
  name: string,
  options: CallOptions,
  use: (paths: GuestPaths) => Promise<T>,
): Promise<T> {
  const paths = guestPaths(host.directories, name)
  await using _lock = await host.lock(paths.lock, options)
  try {
    return await use(paths)
  } finally {
    const sweep = tidying()
    await host.remove(paths.lock, sweep)
    // Directories that others fill just now stay: rmdir(1) never removes what holds something.
    if ((await readDefinition(host, paths, sweep)) === undefined) await host.run(['rmdir', ...paths.parents], sweep)
  }
}

/** A life-cycle operation by the rules that all hypervisors keep. undefined: the guest already was as asked. */
async function changeGuest(
  host: Host,
  name: string,
  operation: GuestOperation,
  options: CallOptions,
  change: (guest: Known) => Promise<void>,
): Promise<Known | undefined> {
  await mustBeDefined(host, name, options)
  return withLock(host, name, options, async () => {
    const found = await knownGuest(host, name, options)
    const guest = found.state === 'saved' ? { ...found, pid: undefined } : found
    // A process beside saved memory is the rest of a save or restore that was killed; it may not have its pid file yet.
    if (found.state === 'saved') {
      await endProcess(host, name, found.paths, options)
      await clearRun(host, found.paths, options)
    }
    if (!mustAct(operation, name, guest.state)) return undefined
    await change(guest)
    return guest
  })
}

/** @throws InfraError `not-found`, before a lock is made for a guest that there is not. */
async function mustBeDefined(host: Host, name: string, options: CallOptions): Promise<{ paths: GuestPaths }> {
  const paths = guestPaths(host.directories, name)
  if (!isGuestName(name) || (await readDefinition(host, paths, options)) === undefined) throw unknownGuest(name)
  return { paths }
}

async function defineGuest(host: Host, definition: GuestDefinition, options: CallOptions): Promise<void> {
  checkDefinition(definition)
  checkPaths(guestPaths(host.directories, definition.name), definition.name)
  await withLock(host, definition.name, options, async (paths) => {
    const before = await readDefinition(host, paths, options)
    await host.makeDirectory(paths.state, { ...options, mode: 0o700 })
    await host.writeFile(paths.definition, JSON.stringify(withoutSeedContent(definition)), options)
    try {
      for (const [index, disk] of definition.disks.entries())
        await ensureDisk(host, paths.disk(index, disk), disk, options)
      await ensureSeed(host, paths.seed, definition, macOfGuest('qemu', definition), options)
    } catch (error) {
      const sweep = tidying()
      if (before === undefined) await forget(host, definition, paths, sweep)
      else await host.writeFile(paths.definition, JSON.stringify(before), sweep)
      throw error
    }
    const { state } = await knownGuest(host, definition.name, options)
    if (state === 'running' || state === 'paused') await takeUpForwards(host, paths, definition, options)
  })
}

async function undefineGuest(host: Host, name: string, options: CallOptions): Promise<void> {
  if (!isGuestName(name)) return
  await withLock(host, name, options, async (paths) => {
    await endProcess(host, name, paths, options)
    await clearRun(host, paths, options)
    const definition = await readDefinition(host, paths, options)
    await forget(host, definition, paths, options)
    if (definition !== undefined) await leaveBridge(host, definition, paths, options)
  })
}

/** The definition goes last: while there is anything else, the guest is still listed and can be undefined again. */
async function forget(
  host: Host,
  definition: GuestDefinition | undefined,
  paths: GuestPaths,
  options: CallOptions,
): Promise<void> {
  for (const [index, disk] of (definition?.disks ?? []).entries()) await host.remove(paths.disk(index, disk), options)
  for (const name of (await host.list(paths.state, options)) ?? [])
    if (`${paths.state}/${name}` !== paths.definition) await host.remove(`${paths.state}/${name}`, options)
  await host.remove(paths.state, options)
}

/** Forwards of a running guest, live. One that was started on a bridge has none until its next start. */
async function takeUpForwards(
  host: Host,
  paths: GuestPaths,
  definition: GuestDefinition,
  options: CallOptions,
): Promise<void> {
  const { network } = definition
  const started = (await readStarted(host, paths, options))?.definition
  if (network.kind !== 'user' || started?.network.kind === 'bridge') return
  await withQmp(host, paths.control, options, async (qmp) => {
    for (const command of forwardChanges(parseForwards(await qmp.monitor('info usernet')), network.forwards)) {
      const answer = (await qmp.monitor(command)).trim()
      if (answer !== '' && !answer.endsWith('removed'))
        throw new InfraError('failed', `${command}: ${answer}`, { subject: definition.name })
    }
  })
  await notePorts(host, definition, paths, options)
}

async function resume(host: Host, paths: GuestPaths, options: CallOptions): Promise<void> {
  await withQmp(host, paths.control, options, (qmp) => qmp.execute('cont'))
}

type BlockStatistics = readonly { readonly stats: { readonly rd_bytes: number; readonly wr_bytes: number } }[]

async function guestStatistics(host: Host, name: string, options: CallOptions): Promise<GuestStatistics> {
  const { paths, state, pid } = await knownGuest(host, name, options)
  mustAct('statistics', name, state)
  if (pid === undefined) throw new Bug(`${name} is ${state} without a process`)
  const [usage, answer, network] = await Promise.all([
    processUsage(host, pid, options),
    withQmp(host, paths.control, options, (qmp) => qmp.execute('query-blockstats')),
    tapCounters(host, tapName(paths), options),
  ])
  const blocks = answer as BlockStatistics
  return {
    ...usage,
    disk: {
      readBytes: blocks.reduce((total, { stats }) => total + stats.rd_bytes, 0),
      writtenBytes: blocks.reduce((total, { stats }) => total + stats.wr_bytes, 0),
    },
    ...(network === undefined ? {} : { network }),
  }
}

async function qemuInfo(host: Host, options: CallOptions): Promise<HypervisorInfo> {
  const version = await runQemu(host, ['--version'], options)
  const { isRoot } = await host.facts(options)
  return {
    name: 'qemu',
    version: /version (\S+)/.exec(version.stdout)?.[1] ?? 'unknown',
    acceleration: await findAcceleration(host, options),
    networks: isRoot ? ['user', 'bridge'] : ['user'],
  }
}
