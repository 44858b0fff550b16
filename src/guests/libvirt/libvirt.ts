/** The hypervisor `libvirt`: guests of a libvirt daemon, spoken to in its own protocol. What it knows of them is libvirt's. */
import { isInfraError } from '../../errors.ts'
import type { Host } from '../../hosts/host.ts'
import type { CallOptions, Hypervisor, HypervisorInfo } from '../hypervisor.ts'
import { checkDefinition, type GuestOperation, isGuestName, mustAct, unknownGuest } from '../lifecycle.ts'
import { findAcceleration } from '../qemu/acceleration.ts'
import { readLogEnd } from '../serial-line.ts'
import type { Connection } from './connection.ts'
import { sharedConsoles } from './console.ts'
import { defineGuest, undefineGuest } from './define.ts'
import { type Notes, notesUri, notesXml } from './domain.ts'
import { guestEvents } from './events.ts'
import { guestFiles } from './files.ts'
import { setForwards, widenForwards } from './forwards.ts'
import { daemonLink, type Linked } from './link.ts'
import { libvirtMachine } from './machine/machine.ts'
import { type Known, knownGuest, listGuests } from './observe.ts'
import { powerOff } from './power.ts'
import { guestStatistics } from './statistics.ts'

/** virDomainCreateFlags. */
const startPaused = 1
/** virDomainMetadataType, virDomainModificationImpact. */
const metadataElement = 2
const affectConfig = 2

/** `uri`: of the daemon there; left out, the host's environment says which. */
export function libvirtHypervisor(host: Host, uri?: string): Hypervisor {
  const link = daemonLink(host, uri)
  const consoles = sharedConsoles()
  /** A life-cycle operation by the rules that all hypervisors keep. */
  const operate =
    (operation: GuestOperation, change: (at: Linked, guest: Known, options: CallOptions) => Promise<unknown>) =>
    async (name: string, options: CallOptions): Promise<void> => {
      const at = await link.open(options)
      const guest = await mustBeKnown(at, name, options)
      if (mustAct(operation, name, guest.state)) await change(at, guest, options)
    }
  const start = async (at: Linked, guest: Known, options: CallOptions): Promise<void> => {
    if (guest.state === 'paused') await at.connection.call('domainResume', [guest.domain], options)
    else await startGuest(host, at, guest, options)
  }
  return {
    name: 'libvirt',
    info: async (options) => libvirtInfo(host, await link.open(options), options),
    list: async (options) => listGuests((await link.open(options)).connection, options),
    async define(definition, options) {
      checkDefinition(definition)
      const { connection } = await link.open(options)
      await defineGuest(host, connection, definition, options)
    },
    async undefine(name, options) {
      if (isGuestName(name)) await undefineGuest(host, (await link.open(options)).connection, name, options)
    },
    start: operate('start', start),
    shutdown: operate('shutdown', async (at, guest, options) => {
      if (guest.isActive) await powerOff(at.connection, guest, options)
    }),
    destroy: operate('destroy', ({ connection }, guest, options) => endGuest(connection, guest, options)),
    reboot: operate('reboot', async (at, guest, options) => {
      await powerOff(at.connection, guest, options)
      await start(at, await knownGuest(at.connection, guest.domain.name, options), options)
    }),
    async autostart(name, isWanted, options) {
      const at = await link.open(options)
      const { domain } = await mustBeKnown(at, name, options)
      await at.connection.call('domainSetAutostart', [domain, isWanted ? 1 : 0], options)
    },
    pause: operate('pause', ({ connection }, { domain }, options) =>
      connection.call('domainSuspend', [domain], options),
    ),
    unpause: operate('unpause', ({ connection }, { domain }, options) =>
      connection.call('domainResume', [domain], options),
    ),
    save: operate('save', ({ connection }, { domain }, options) =>
      connection.call('domainManagedSave', [domain, 0], options),
    ),
    async console(name, options) {
      const at = await link.open(options)
      const { domain, state } = await mustBeKnown(at, name, options)
      mustAct('console', name, state)
      return consoles.open(at.connection, domain, options)
    },
    async consoleLog(name, options) {
      await mustBeKnown(await link.open(options), name, options)
      return readLogEnd(host, guestFiles(host.directories, name).consoleLog, options)
    },
    async statistics(name, options) {
      const at = await link.open(options)
      const { domain, state } = await mustBeKnown(at, name, options)
      mustAct('statistics', name, state)
      return guestStatistics(at.connection, domain, options)
    },
    async *events(options) {
      try {
        yield* guestEvents(async (call) => (await link.open(call)).connection, options)
      } catch (error) {
        if (!options.signal.aborted) throw error
      }
    },
    machine: libvirtMachine(host, async (name, options) => {
      const at = await link.open(options)
      return { connection: at.connection, guest: await mustBeKnown(at, name, options) }
    }),
    [Symbol.asyncDispose]: async () => link.close(),
  }
}

async function mustBeKnown({ connection }: Linked, name: string, options: CallOptions): Promise<Known> {
  if (!isGuestName(name)) throw unknownGuest(name)
  return knownGuest(connection, name, options)
}

/** Paused first: its ports are open before it executes. A start that fails leaves it as it was. */
async function startGuest(
  host: Host,
  { connection, runtime }: Linked,
  guest: Known,
  options: CallOptions,
): Promise<void> {
  const { definition, notes, isOurs } = guest
  const [domain] = await connection.call('domainCreateWithFlags', [guest.domain, startPaused], options)
  try {
    const reach = isOurs ? await setForwards(connection, domain, definition, notes.ports, options) : []
    await connection.call('domainResume', [domain], options)
    if (!isOurs) return
    const ports = reach.flatMap(({ protocol, guestPort, port }) =>
      protocol === 'sctp' ? [] : [{ protocol, guestPort, port }],
    )
    await takeNote(connection, guest, { ports }, options)
    await widenForwards(host, runtime, definition.name, reach, options)
  } catch (error) {
    await connection.call('domainDestroyFlags', [domain, 0], { signal: AbortSignal.timeout(15_000) }).catch(() => {})
    throw error
  }
}

/** `stopped`: whatever it did, and with nothing to go on from. */
async function endGuest(connection: Connection, guest: Known, options: CallOptions): Promise<void> {
  const { domain, state, isActive, notes } = guest
  if (isActive)
    await connection.call('domainDestroyFlags', [domain, 0], options).catch((error: unknown) => {
      if (!isInfraError(error, 'invalid')) throw error // it went by itself meanwhile
    })
  if (state === 'saved') await connection.call('domainManagedSaveRemove', [domain, 0], options)
  // libvirt keeps saying that it crashed until the next start: that it was taken note of stands beside.
  if (state === 'crashed') await takeNote(connection, guest, { ...notes, crashSeen: true }, options)
}

async function takeNote(connection: Connection, { domain }: Known, notes: Notes, options: CallOptions): Promise<void> {
  const args = [domain, metadataElement, notesXml(notes), 'baton', notesUri, affectConfig] as const
  await connection.call('domainSetMetadata', [...args], options)
}

async function libvirtInfo(host: Host, { connection }: Linked, options: CallOptions): Promise<HypervisorInfo> {
  const [version] = await connection.call('connectGetLibVersion', [], options)
  const [uri] = await connection.call('connectGetUri', [], options)
  const number = Number(version)
  return {
    name: 'libvirt',
    version: `${Math.floor(number / 1e6)}.${Math.floor(number / 1e3) % 1000}.${number % 1000}`,
    acceleration: await findAcceleration(host, options),
    networks: uri.endsWith('/system') ? ['user', 'bridge'] : ['user'],
  }
}
