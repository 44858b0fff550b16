/** The hypervisor `xen`: domains through xl(1). What Xen has is asked from it; what should be is in /etc/xen. */
import { randomUUID } from 'node:crypto'
import { tidying } from '../../deadline.ts'
import { InfraError } from '../../errors.ts'
import { parseXenInfo } from '../../formats/xl/info.ts'
import { parseXentop } from '../../formats/xl/xentop.ts'
import type { Host } from '../../hosts/host.ts'
import type { CallOptions, GuestDefinition, GuestStatistics, Hypervisor, HypervisorInfo } from '../hypervisor.ts'
import { checkDefinition, type GuestOperation, isGuestName, mustAct, unknownGuest } from '../lifecycle.ts'
import { macOfGuest } from '../mac-address.ts'
import { readJson } from '../records.ts'
import { withoutSeedContent } from '../seed.ts'
import { openSerialLine, readLogEnd } from '../serial-line.ts'
import { ensureSeed } from '../storage/seed-file.ts'
import { watchGuests } from '../watch.ts'
import { setAutostart, switchAutostart } from './autostart.ts'
import { configOf, macOf, settingsIn } from './config.ts'
import { mustBeLogged, serialLine } from './console.ts'
import { ensureDisks, removeDisks } from './disks.ts'
import { clearDomain, launchGuest, restoreGuest, untilGone } from './launch.ts'
import { xenMachine } from './machine/machine.ts'
import { type Known, knownGuest, listGuests } from './observe.ts'
import { type GuestPaths, guestPaths } from './paths.ts'
import { listDomains, mustXl, runXl, xlFailure } from './xl.ts'

const eventsEveryMs = 1_000

export function xenHypervisor(host: Host): Hypervisor {
  const list: Hypervisor['list'] = (options) => listGuests(host, options)
  const operate =
    (operation: GuestOperation, change: (guest: Known, options: CallOptions) => Promise<void>) =>
    (name: string, options: CallOptions): Promise<void> =>
      changeGuest(host, name, operation, options, (guest) => change(guest, options)).then(() => undefined)
  const tell =
    (command: 'pause' | 'unpause') =>
    ({ definition: { name } }: Known, options: CallOptions): Promise<void> =>
      mustXl(host, `${command} ${name}`, name, [command, name], options).then(() => undefined)
  /** Powers it off, waiting without the lock, so that an impatient `destroy` comes through; then `change` with it. */
  const powerOffAnd =
    (operation: GuestOperation, change: (guest: Known, options: CallOptions) => Promise<void>) =>
    async (name: string, options: CallOptions): Promise<void> => {
      const asked = await changeGuest(host, name, operation, options, (guest) => askToPowerOff(host, guest, options))
      if (asked === undefined) return
      const hint = `the guest may not hear Xen: baton destroy ${name} ends it at once`
      await untilGone(host, name, `shut down ${name}`, { ...options, hint })
      await withLock(host, name, options, async () => {
        const isOff = !(await listDomains(host, options)).some((domain) => domain.name === name)
        if (isOff) await change(asked, options)
      })
    }
  return {
    name: 'xen',
    info: (options) => xenInfo(host, options),
    list,
    define: (definition, options) => defineGuest(host, definition, options),
    undefine: (name, options) => undefineGuest(host, name, options),
    autostart: (name, isWanted, options) =>
      withGuest(host, name, options, (guest) => switchAutostart(host, guest, isWanted, options)),
    start: operate('start', (guest, options) => {
      if (guest.state === 'paused') return tell('unpause')(guest, options)
      return guest.state === 'saved' ? restoreGuest(host, guest, options) : launchGuest(host, guest, options)
    }),
    shutdown: powerOffAnd('shutdown', ({ paths }, options) => host.remove(paths.started, options)),
    destroy: operate('destroy', async ({ definition, paths }, options) => {
      await clearDomain(host, definition.name, options)
      for (const file of [paths.started, paths.saved, paths.usedMemory, paths.savedDefinition])
        await host.remove(file, options)
    }),
    reboot: powerOffAnd('reboot', (guest, options) => launchGuest(host, guest, options)),
    pause: operate('pause', tell('pause')),
    unpause: operate('unpause', tell('unpause')),
    save: operate('save', (guest, options) => saveGuest(host, guest, options)),
    async console(name, options) {
      const guest = await knownGuest(host, name, options)
      mustAct('console', name, guest.state)
      return openSerialLine(host, await serialLine(host, guest, options), options)
    },
    async consoleLog(name, options) {
      const { paths } = await knownGuest(host, name, options)
      await mustBeLogged(host, name, paths.consoleLog, options)
      return readLogEnd(host, paths.consoleLog, options)
    },
    statistics: (name, options) => guestStatistics(host, name, options),
    machine: xenMachine(host, {
      look: (name, options) => knownGuest(host, name, options),
      change: (operation, name, options, act) =>
        withGuest(host, name, options, (guest) => {
          mustAct(operation, name, guest.state)
          return act(guest)
        }),
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
    await host.remove(paths.lock, tidying())
  }
}

/** A guest as it stands, with its lock. */
async function withGuest<T>(
  host: Host,
  name: string,
  options: CallOptions,
  use: (guest: Known) => Promise<T>,
): Promise<T> {
  // A guest that there is not gets no lock; a name with a slash would lead it elsewhere.
  if (name.includes('/')) throw unknownGuest(name)
  await knownGuest(host, name, options)
  return withLock(host, name, options, async () => use(await knownGuest(host, name, options)))
}

/** A life-cycle operation by the rules that all hypervisors keep. undefined: the guest already was as asked. */
async function changeGuest(
  host: Host,
  name: string,
  operation: GuestOperation,
  options: CallOptions,
  change: (guest: Known) => Promise<void>,
): Promise<Known | undefined> {
  return withGuest(host, name, options, async (guest) => {
    // A domain beside saved memory is the rest of a restore that was killed.
    if (guest.state === 'saved') await clearDomain(host, name, options)
    if (!mustAct(operation, name, guest.state)) return undefined
    await change(guest)
    return guest
  })
}

/** A paused guest is woken: it has to answer. */
async function askToPowerOff(host: Host, { definition, state }: Known, options: CallOptions): Promise<void> {
  const { name } = definition
  if (state === 'paused') await mustXl(host, `wake ${name}`, name, ['unpause', name], options)
  const result = await runXl(host, ['shutdown', '-F', name], options)
  // It may have ended between the look and the word.
  if (result.code !== 0 && (await listDomains(host, options)).some((domain) => domain.name === name))
    throw xlFailure(`shut down ${name}`, name, result)
}

/**
 * What it is, is written beside its memory, which fits no other machine. A paused guest is woken: it has to answer. One
 * that does not answer is left as it was.
 */
async function saveGuest(host: Host, { definition, paths, state }: Known, options: CallOptions): Promise<void> {
  const { name } = definition
  const partial = `${paths.saved}.partial`
  await host.makeDirectory(paths.state, { ...options, mode: 0o700 })
  const started = await readJson<{ readonly definition: GuestDefinition }>(host, paths.started, options)
  await host.writeFile(paths.savedDefinition, JSON.stringify(started?.definition ?? definition), options)
  if (state === 'paused') await mustXl(host, `wake ${name}`, name, ['unpause', name], options)
  const result = await runXl(host, ['save', name, partial], options)
  if (result.code !== 0) {
    const sweep = tidying()
    if (state === 'paused') await runXl(host, ['pause', name], sweep)
    await host.remove(partial, sweep)
    await host.remove(paths.savedDefinition, sweep)
    throw xlFailure(`save ${name}`, name, result)
  }
  await host.rename(partial, paths.saved, options)
  await host.remove(paths.started, options)
  await untilGone(host, name, `save ${name}`, options)
}

async function defineGuest(host: Host, definition: GuestDefinition, options: CallOptions): Promise<void> {
  checkDefinition(definition)
  const { name } = definition
  if (definition.network.kind === 'user')
    throw new InfraError('unsupported', `define ${name}: guests on Xen have no user network`, {
      subject: name,
      hint: 'give the host a bridge, and the guests network: dhcp or fixed addresses',
    })
  if (definition.network.bridgeAddress !== undefined)
    throw new InfraError('unsupported', `define ${name}: on Xen the bridge is the host's own`, {
      subject: name,
      hint: 'make it once (baton host prepare --as xen), and leave out bridge-address',
    })
  if (definition.hardware !== undefined)
    throw new InfraError('unsupported', `define ${name}: on Xen firmware, cpu and graphics are not chosen`, {
      subject: name,
      hint: 'leave them out, or use hypervisor: qemu or libvirt',
    })
  await withLock(host, name, options, async (paths) => {
    const before = await readJson<GuestDefinition>(host, paths.definition, options)
    const config = await host.readFile(paths.config, options)
    if (before === undefined && config !== undefined)
      throw new InfraError('already-exists', `define ${name}: ${paths.config} is there, and Baton has not made it`, {
        subject: name,
        hint: `choose another name, or move the file away; baton start ${name} starts it as it is`,
      })
    await host.makeDirectory(paths.state, { ...options, mode: 0o700 })
    await host.writeFile(paths.definition, JSON.stringify(withoutSeedContent(definition)), options)
    try {
      await ensureDisks(host, definition, paths, options)
      await writeConfig(host, definition, paths, config, options)
      await setAutostart(host, paths, definition.autostart, options)
    } catch (error) {
      const sweep = tidying()
      if (before === undefined) await forget(host, definition, paths, { ...sweep, sparesOthers: true })
      else await host.writeFile(paths.definition, JSON.stringify(before), sweep)
      throw error
    }
  })
}

async function writeConfig(
  host: Host,
  definition: GuestDefinition,
  paths: GuestPaths,
  before: Uint8Array | undefined,
  options: CallOptions,
): Promise<void> {
  const disks = definition.disks.map((disk, index) => paths.disk(index, disk))
  const old = before === undefined ? undefined : new TextDecoder().decode(before)
  const mac = (old === undefined ? undefined : macOf(settingsIn(old))) ?? macOfGuest('xen', definition)
  const machine = { uuid: randomUUID(), mac, disks, seed: paths.seed }
  await ensureSeed(host, paths.seed, definition, mac, options)
  const text = configOf(definition, machine, old)
  if (text !== old) await host.writeFile(paths.config, text, { ...options, mode: 0o600 })
}

/** Of a guest that was made by hand the disks stay: they are not Baton's. */
async function undefineGuest(host: Host, name: string, options: CallOptions): Promise<void> {
  if (!isGuestName(name)) return
  await withLock(host, name, options, async (paths) => {
    await clearDomain(host, name, options)
    await forget(host, await readJson<GuestDefinition>(host, paths.definition, options), paths, options)
  })
}

/** The definition goes last: while there is anything else, the guest is still listed and can be undefined again. */
async function forget(
  host: Host,
  definition: GuestDefinition | undefined,
  paths: GuestPaths,
  options: CallOptions & { readonly sparesOthers?: boolean },
): Promise<void> {
  await setAutostart(host, paths, false, options)
  for (const path of [paths.config, paths.started, paths.consoleLog, paths.monitorLog]) await host.remove(path, options)
  if (definition !== undefined) await removeDisks(host, definition, paths, options)
  for (const name of (await host.list(paths.state, options)) ?? [])
    if (`${paths.state}/${name}` !== paths.definition) await host.remove(`${paths.state}/${name}`, options)
  await host.remove(paths.state, options)
}

async function guestStatistics(host: Host, name: string, options: CallOptions): Promise<GuestStatistics> {
  const { state } = await knownGuest(host, name, options)
  mustAct('statistics', name, state)
  const { code, stdout, stderr } = await host.run(['xentop', '-b', '-i', '1', '-f'], options)
  const usage = parseXentop(stdout).find((domain) => domain.name === name)
  if (code !== 0 || usage === undefined)
    throw new InfraError('failed', `statistics of ${name}: xentop does not name it ${stderr.trim()}`, { subject: name })
  return {
    cpuSeconds: usage.cpuSeconds,
    residentBytes: usage.memoryBytes,
    disk: usage.disk,
    network: usage.network,
  }
}

async function xenInfo(host: Host, options: CallOptions): Promise<HypervisorInfo> {
  const { version, capabilities } = parseXenInfo(await mustXl(host, 'ask Xen', 'xl', ['info'], options))
  const hasHap = capabilities.includes('hvm') && capabilities.includes('hap')
  return {
    name: 'xen',
    version,
    acceleration: {
      kind: hasHap ? 'pv, pvh and hvm' : 'pv',
      reason: hasHap ? 'the CPU has nested paging' : 'pvh and hvm need a CPU with EPT or NPT, switched on',
    },
    networks: ['bridge'],
  }
}
