/** A guest is recorded at libvirt with its disks, and forgotten with them. */
import { tidying } from '../../deadline.ts'
import { InfraError } from '../../errors.ts'
import type { Host } from '../../hosts/host.ts'
import type { CallOptions, GuestDefinition } from '../hypervisor.ts'
import { macOfGuest } from '../mac-address.ts'
import { findAcceleration } from '../qemu/acceleration.ts'
import { ensureDisk } from '../storage/dir.ts'
import { ensureSeed } from '../storage/seed-file.ts'
import type { Connection } from './connection.ts'
import { domainXml } from './domain.ts'
import { guestFiles } from './files.ts'
import { setForwards } from './forwards.ts'
import { findGuest, type Known, xmlInactive } from './observe.ts'

/** virDomainUndefineFlags: with managed save, snapshots' and checkpoints' metadata, nvram, TPM. */
const undefineAll = 1 | 2 | 4 | 16 | 32

export async function defineGuest(
  host: Host,
  connection: Connection,
  definition: GuestDefinition,
  options: CallOptions,
): Promise<void> {
  const { name, network, disks } = definition
  if (network.kind === 'bridge' && network.bridgeAddress !== undefined)
    throw new InfraError('unsupported', `define ${name}: libvirt's guests use bridges that are there`, {
      subject: name,
      hint: 'make the bridge first and leave out `bridge-address`, or use `hypervisor: qemu`',
    })
  const files = guestFiles(host.directories, name)
  const standing = await findGuest(connection, name, options)
  if (standing !== undefined && !standing.isOurs) throw notOurs(name, 'define')
  await withLock(host, name, options, async () => {
    await host.makeDirectory(files.directory, { ...options, mode: 0o711 })
    for (const [index, disk] of disks.entries()) await ensureDisk(host, files.disk(index, disk), disk, options)
    await ensureSeed(host, files.seed, definition, macOfGuest('qemu', definition), options)
    const { kind } = await findAcceleration(host, options)
    const xml = await inactiveXml(connection, standing, options)
    const fresh = domainXml(definition, { type: kind === 'kvm' ? 'kvm' : 'qemu', files }, xml)
    const [domain] = await connection
      .call('domainDefineXmlFlags', [fresh, 0], options)
      .catch(async (error: unknown) => {
        if (standing === undefined) await removeFiles(host, definition, tidying())
        throw error
      })
    await connection.call('domainSetAutostart', [domain, definition.autostart ? 1 : 0], options)
    if (standing?.isActive === true) await setForwards(connection, domain, definition, standing.notes.ports, options)
  })
}

/** What libvirt has recorded, with all that others added. */
async function inactiveXml(
  connection: Connection,
  guest: Known | undefined,
  options: CallOptions,
): Promise<string | undefined> {
  if (guest === undefined) return undefined
  const [xml] = await connection.call('domainGetXmlDesc', [guest.domain, xmlInactive | xmlSecure], options)
  return xml
}

/** VIR_DOMAIN_XML_SECURE: passwords, too, which a rewrite must keep. */
const xmlSecure = 1

/** @throws InfraError `invalid` for a guest that Baton did not make. */
export async function undefineGuest(
  host: Host,
  connection: Connection,
  name: string,
  options: CallOptions,
): Promise<void> {
  const guest = await findGuest(connection, name, options)
  if (guest === undefined) return
  if (!guest.isOurs) throw notOurs(name, 'undefine')
  await withLock(host, name, options, async () => {
    if (guest.isActive) await connection.call('domainDestroyFlags', [guest.domain, 0], options).catch(() => {})
    // Its files first: while there is anything else, the guest is still listed and can be undefined again.
    await removeFiles(host, guest.definition, options)
    await connection.call('domainUndefineFlags', [guest.domain, undefineAll], options)
  })
}

function notOurs(name: string, what: string): InfraError {
  return new InfraError('already-exists', `${what} ${name}: libvirt has a guest of this name that Baton did not make`, {
    subject: name,
    hint: `choose another name, or remove it first: virsh undefine ${name}`,
  })
}

async function removeFiles(host: Host, { name, disks }: GuestDefinition, options: CallOptions): Promise<void> {
  const files = guestFiles(host.directories, name)
  for (const [index, disk] of disks.entries()) await host.remove(files.disk(index, disk), options)
  await host.remove(files.seed, options)
  // With what virtlogd rotated away.
  for (const file of (await host.list(files.directory, options)) ?? [])
    if (`${files.directory}/${file}`.startsWith(files.consoleLog))
      await host.remove(`${files.directory}/${file}`, options)
  await host.run(['rmdir', files.directory], options) // never removes what holds something
}

/** One definition of a guest at a time, on this host; the lock's file goes with it. */
async function withLock(host: Host, name: string, options: CallOptions, use: () => Promise<void>): Promise<void> {
  const { lock } = guestFiles(host.directories, name)
  await using _lock = await host.lock(lock, options)
  try {
    await use()
  } finally {
    await host.remove(lock, tidying())
  }
}
