/** The hypervisor `qemu`: plain QEMU processes, no daemon, no root. What it knows of a guest is in files on the host. */
import type { Duplex } from 'node:stream'
import { setTimeout as sleep } from 'node:timers/promises'
import { Bug, InfraError, isInfraError } from '../../errors.ts'
import type { Host } from '../../hosts/host.ts'
import type {
  CallOptions,
  GuestDefinition,
  GuestReach,
  GuestRunState,
  GuestState,
  GuestStatistics,
  Hypervisor,
  HypervisorInfo,
} from '../hypervisor.ts'
import { checkDefinition, type GuestOperation, mustAct, unknownGuest } from '../lifecycle.ts'
import { ensureDisk } from '../storage/overlay.ts'
import { watchGuests } from '../watch.ts'
import { findAcceleration } from './acceleration.ts'
import { macAddress, tapName } from './arguments.ts'
import { launchGuest } from './launch.ts'
import { type GuestPaths, guestPaths } from './paths.ts'
import { findProcess, killProcess, processUsage, untilGone } from './process.ts'
import { openQmp, type Qmp } from './qmp.ts'
import { neighbourAddress, removeTap, tapCounters } from './tap.ts'
import { forwardChanges, parseForwards } from './user-network.ts'

/** How often the power button is pressed again: a guest that still boots does not hear the first press. */
const powerButtonMs = 3_000
const eventsEveryMs = 1_000

export function qemuHypervisor(host: Host): Hypervisor {
  const pathsOf = (name: string): GuestPaths => guestPaths(host.directories, name)
  const list = (options: CallOptions): Promise<readonly GuestState[]> => listGuests(host, options)

  /** One change of a guest at a time, on this host; the lock file goes with the change. */
  const changing = async <T>(
    name: string,
    options: CallOptions,
    change: (paths: GuestPaths) => Promise<T>,
  ): Promise<T> => {
    const paths = pathsOf(name)
    await using _lock = await host.lock(paths.lock, options)
    try {
      return await change(paths)
    } finally {
      await host.remove(paths.lock, { signal: AbortSignal.timeout(10_000) })
    }
  }
  /** One life-cycle operation of a guest that must be there, by the rules that all hypervisors keep. */
  const operate =
    (operation: GuestOperation, change: (guest: Known, options: CallOptions) => Promise<void>) =>
    async (name: string, options: CallOptions): Promise<void> => {
      await known(host, name, options)
      await changing(name, options, async () => {
        const guest = await known(host, name, options)
        if (mustAct(operation, name, guest.state)) await change(guest, options)
      })
    }

  return {
    name: 'qemu',
    info: (options) => qemuInfo(host, options),
    list,
    define: async (definition, options) => {
      checkDefinition(definition)
      await changing(definition.name, options, async (paths) => {
        await host.makeDirectory(paths.state, { ...options, mode: 0o700 })
        for (const [index, disk] of definition.disks.entries()) await ensureDisk(host, paths.disk(index), disk, options)
        await host.writeFile(paths.definition, JSON.stringify(definition), options)
        const process = await findProcess(host, paths, options)
        if (typeof process === 'number') await takeUpForwards(host, paths, definition, options)
      })
    },
    undefine: (name, options) =>
      changing(name, options, async (paths) => {
        await endProcess(host, name, paths, options)
        await host.remove(paths.runtime, options)
        await host.remove(paths.state, options)
      }),
    start: operate('start', async ({ definition, paths, state }, options) => {
      if (state === 'paused') return resume(host, paths, options)
      if (state !== 'saved') await host.remove(paths.saved, options)
      await launchGuest(host, definition, paths, { ...options, restore: state === 'saved' })
    }),
    shutdown: operate('shutdown', async (guest, options) => {
      await powerOff(host, guest, options)
      await settleStopped(host, guest, options)
    }),
    destroy: operate('destroy', async (guest, options) => {
      await endProcess(host, guest.definition.name, guest.paths, options)
      await host.remove(guest.paths.saved, options)
      await settleStopped(host, guest, options)
    }),
    reboot: operate('reboot', async (guest, options) => {
      await powerOff(host, guest, options)
      await launchGuest(host, guest.definition, guest.paths, { ...options, restore: false })
    }),
    pause: operate('pause', async ({ paths }, options) => {
      await using qmp = await openQmp(host, paths.control, options)
      await qmp.execute('stop')
    }),
    unpause: operate('unpause', ({ paths }, options) => resume(host, paths, options)),
    save: operate('save', async (guest, options) => {
      await saveMemory(host, guest, options)
      await settleStopped(host, guest, options)
    }),
    console: (name, options) => openConsole(host, name, options),
    consoleLog: async (name, { maxBytes, ...options }) => {
      const { paths } = await known(host, name, options)
      const result = await host.run(['tail', '-c', String(maxBytes), '--', paths.consoleLog], options)
      return result.stdout
    },
    statistics: (name, options) => guestStatistics(host, name, options),
    events: ({ signal }) => watchGuests(list, eventsEveryMs, { signal }),
    [Symbol.asyncDispose]: async () => {},
  }
}

type Known = {
  readonly definition: GuestDefinition
  readonly paths: GuestPaths
  readonly state: GuestRunState
  /** While it has a process. */
  readonly pid: number | undefined
}

/** @throws InfraError `not-found` */
async function known(host: Host, name: string, options: CallOptions): Promise<Known> {
  const paths = guestPaths(host.directories, name)
  const definition = await readDefinition(host, paths.definition, options)
  if (definition === undefined) throw unknownGuest(name)
  const process = await findProcess(host, paths, options)
  if (process === 'crashed') return { definition, paths, state: 'crashed', pid: undefined }
  if (process === undefined) {
    const state = (await exists(host, paths.saved, options)) ? 'saved' : 'stopped'
    return { definition, paths, state, pid: undefined }
  }
  await using qmp = await openQmp(host, paths.control, options)
  return { definition, paths, state: await runState(qmp), pid: process }
}

async function runState(qmp: Qmp): Promise<'running' | 'paused'> {
  const { status } = (await qmp.execute('query-status')) as { readonly status: string }
  return status === 'running' ? 'running' : 'paused'
}

async function readDefinition(host: Host, path: string, options: CallOptions): Promise<GuestDefinition | undefined> {
  const content = await host.readFile(path, options)
  return content === undefined ? undefined : (JSON.parse(new TextDecoder().decode(content)) as GuestDefinition)
}

async function listGuests(host: Host, options: CallOptions): Promise<readonly GuestState[]> {
  const names = ((await host.list(`${host.directories.state}/guests`, options)) ?? []).filter(
    (name) => !name.startsWith('.'),
  )
  const states: GuestState[] = []
  // A few at a time: each is a conversation with a QEMU, and there may be hundreds.
  for (let at = 0; at < names.length; at += 16) {
    const some = await Promise.all(names.slice(at, at + 16).map((name) => guestState(host, name, options)))
    states.push(...some.filter((state) => state !== undefined))
  }
  return states
}

/** undefined when it was undefined while we looked. */
async function guestState(host: Host, name: string, options: CallOptions): Promise<GuestState | undefined> {
  const paths = guestPaths(host.directories, name)
  const definition = await readDefinition(host, paths.definition, options)
  if (definition === undefined) return undefined
  const process = await findProcess(host, paths, options)
  if (process === 'crashed') return { definition, state: 'crashed', reach: [] }
  if (process === undefined) {
    const isSaved = await exists(host, paths.saved, options)
    return { definition, state: isSaved ? 'saved' : 'stopped', reach: [] }
  }
  try {
    return await runningState(host, definition, paths, process, options)
  } catch (error) {
    // It ended between two looks: the next look tells how.
    if (
      !options.signal.aborted &&
      isInfraError(error) &&
      (error.code === 'unreachable' || error.code === 'not-found')
    ) {
      const again = await findProcess(host, paths, options)
      if (again !== process) return { definition, state: again === 'crashed' ? 'crashed' : 'stopped', reach: [] }
    }
    throw error
  }
}

async function runningState(
  host: Host,
  definition: GuestDefinition,
  paths: GuestPaths,
  pid: number,
  options: CallOptions,
): Promise<GuestState> {
  const started = (await readDefinition(host, paths.started, options)) ?? definition
  await using qmp = await openQmp(host, paths.control, options)
  const state = await runState(qmp)
  const { enabled } = (await qmp.execute('query-kvm')) as { readonly enabled: boolean }
  const common = { state, id: pid, acceleration: enabled ? 'kvm' : 'tcg' } as const
  const standing = {
    ...started,
    autostart: definition.autostart,
    ...(definition.mark === undefined ? {} : { mark: definition.mark }),
  }
  if (standing.network.kind === 'user') {
    const reach = parseForwards(await qmp.monitor('info usernet'))
    const forwards = reach.flatMap(({ protocol, guestPort }) =>
      protocol === 'sctp' ? [] : [{ protocol, port: guestPort }],
    )
    return { ...common, definition: { ...standing, network: { kind: 'user', forwards } }, reach }
  }
  const { bridge, address: fixed } = standing.network
  const address = fixed?.split('/')[0] ?? (await neighbourAddress(host, bridge, macAddress(definition.name), options))
  return { ...common, definition: standing, reach: [], ...(address === undefined ? {} : { address }) }
}

async function takeUpForwards(
  host: Host,
  paths: GuestPaths,
  definition: GuestDefinition,
  options: CallOptions,
): Promise<void> {
  if (definition.network.kind !== 'user') return
  await using qmp = await openQmp(host, paths.control, options)
  const changes = forwardChanges(parseForwards(await qmp.monitor('info usernet')), definition.network.forwards)
  for (const command of changes) {
    const answer = (await qmp.monitor(command)).trim()
    if (answer !== '' && !answer.includes('removed'))
      throw new InfraError('failed', `${command}: ${answer}`, { subject: definition.name })
  }
  const reach: GuestReach[] = parseForwards(await qmp.monitor('info usernet'))
  await host.writeFile(paths.ports, JSON.stringify(reach), options)
}

/** A guest that goes on makes its saved memory worthless: restoring it later would not fit its disks. */
async function resume(host: Host, paths: GuestPaths, options: CallOptions): Promise<void> {
  await host.remove(paths.saved, options)
  await using qmp = await openQmp(host, paths.control, options)
  await qmp.execute('cont')
}

/** A paused guest is woken first: it has to answer. Does nothing to one without a process. */
async function powerOff(host: Host, guest: Known, options: CallOptions): Promise<void> {
  const { paths, pid, definition } = guest
  if (pid === undefined) return
  if (guest.state === 'paused') await resume(host, paths, options)
  const done = new AbortController()
  const either = { signal: AbortSignal.any([done.signal, options.signal]) }
  const pressing = (async () => {
    while (!either.signal.aborted) {
      await pressPowerButton(host, paths, options)
      await sleep(powerButtonMs, undefined, either).catch(() => undefined)
    }
  })()
  try {
    await untilGone(host, pid, paths, definition.name, options)
  } finally {
    done.abort()
    await pressing
  }
}

async function pressPowerButton(host: Host, paths: GuestPaths, options: CallOptions): Promise<void> {
  try {
    await using qmp = await openQmp(host, paths.control, options)
    await qmp.execute('system_powerdown')
  } catch (error) {
    if (!isInfraError(error)) throw error // an I/O error says that it has gone, which is what is waited for
  }
}

async function saveMemory(host: Host, { definition, paths, pid }: Known, options: CallOptions): Promise<void> {
  const partial = `${paths.saved}.partial`
  {
    await using qmp = await openQmp(host, paths.control, options)
    await qmp.execute('stop')
    await qmp.execute('migrate', { uri: `exec:cat > '${partial.replaceAll("'", `'\\''`)}'` })
    await untilMigrated(qmp, definition.name, options)
  }
  await host.rename(partial, paths.saved, options)
  await using qmp = await openQmp(host, paths.control, options)
  await qmp.execute('quit').catch((error: unknown) => {
    if (!isInfraError(error, 'unreachable')) throw error
  })
  if (pid !== undefined) await untilGone(host, pid, paths, definition.name, options)
}

async function untilMigrated(qmp: Qmp, name: string, options: CallOptions): Promise<void> {
  for (;;) {
    const answer = (await qmp.execute('query-migrate')) as { readonly status?: string; readonly 'error-desc'?: string }
    if (answer.status === 'completed') return
    if (answer.status === 'failed' || answer.status === 'cancelled') {
      await qmp.execute('cont')
      throw new InfraError('failed', `save ${name}: ${answer['error-desc'] ?? answer.status}`, { subject: name })
    }
    await sleep(20, undefined, options).catch(async () => {
      await qmp.execute('migrate_cancel')
      await qmp.execute('cont')
      throw new InfraError('timeout', `save ${name}: not done in time`, { subject: name, retryable: true })
    })
  }
}

async function endProcess(host: Host, name: string, paths: GuestPaths, options: CallOptions): Promise<void> {
  const process = await findProcess(host, paths, options)
  if (typeof process === 'number') await killProcess(host, process, paths, name, options)
  await removeTapOf(host, name, paths, options)
}

/** Nothing of a run is left: not even the traces by which a crash is known. */
async function settleStopped(host: Host, { definition, paths }: Known, options: CallOptions): Promise<void> {
  await removeTapOf(host, definition.name, paths, options)
  await host.remove(paths.runtime, options)
}

async function removeTapOf(host: Host, name: string, paths: GuestPaths, options: CallOptions): Promise<void> {
  const started = await readDefinition(host, paths.started, options)
  if (started?.network.kind === 'bridge') await removeTap(host, tapName(name), options)
}

async function openConsole(host: Host, name: string, options: CallOptions): Promise<Duplex> {
  const { paths, state } = await known(host, name, options)
  mustAct('console', name, state)
  const waiting = AbortSignal.any([options.signal, AbortSignal.timeout(500)])
  const lock = await host.lock(paths.consoleLock, { signal: waiting }).catch((error: unknown) => {
    if (options.signal.aborted || !isInfraError(error, 'timeout')) throw error
    throw new InfraError('busy', `somebody else has the console of ${name}`, { subject: name, retryable: true })
  })
  try {
    const stream = await host.connect(paths.console, options)
    stream.once('close', () => void lock[Symbol.asyncDispose]())
    return stream
  } catch (error) {
    await lock[Symbol.asyncDispose]()
    throw error
  }
}

type BlockStatistics = readonly { readonly stats: { readonly rd_bytes: number; readonly wr_bytes: number } }[]

async function guestStatistics(host: Host, name: string, options: CallOptions): Promise<GuestStatistics> {
  const { definition, paths, state, pid } = await known(host, name, options)
  mustAct('statistics', name, state)
  if (pid === undefined) throw new Bug(`${name} is ${state} without a process`)
  const usage = await processUsage(host, pid, options)
  await using qmp = await openQmp(host, paths.control, options)
  const blocks = (await qmp.execute('query-blockstats')) as BlockStatistics
  const sum = (pick: (stats: BlockStatistics[number]['stats']) => number): number =>
    blocks.reduce((total, { stats }) => total + pick(stats), 0)
  const network = definition.network.kind === 'bridge' ? await tapCounters(host, tapName(name), options) : undefined
  return {
    ...usage,
    disk: { readBytes: sum((stats) => stats.rd_bytes), writtenBytes: sum((stats) => stats.wr_bytes) },
    ...(network === undefined ? {} : { network }),
  }
}

async function qemuInfo(host: Host, options: CallOptions): Promise<HypervisorInfo> {
  const version = await host.run(['qemu-system-x86_64', '--version'], options).catch((error: unknown) => {
    if (!isInfraError(error, 'missing-tool')) throw error
    throw new InfraError('missing-tool', 'QEMU is not installed', {
      subject: 'qemu-system-x86_64',
      cause: error,
      hint: 'apt-get install qemu-system-x86 qemu-utils',
    })
  })
  const { isRoot } = await host.facts(options)
  return {
    name: 'qemu',
    version: /version (\S+)/.exec(version.stdout)?.[1] ?? 'unknown',
    acceleration: await findAcceleration(host, options),
    networks: isRoot ? ['user', 'bridge'] : ['user'],
  }
}

async function exists(host: Host, path: string, options: CallOptions): Promise<boolean> {
  return (await host.run(['test', '-e', path], options)).code === 0
}
