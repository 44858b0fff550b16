/** Makes the disks and what the first boot needs, starts the guest at libvirt and records it there. */
import { isInfraError } from '../../errors.ts'
import type { Connection } from '../../guests/libvirt/connection.ts'
import type { Domain } from '../../guests/libvirt/observe.ts'
import type { Host } from '../../hosts/host.ts'
import type { Built } from './build.ts'
import { type Media, writeMedia } from './media.ts'
import { makeDisk } from './volumes.ts'

type CallOptions = { readonly signal: AbortSignal }

export type CreateWishes = { readonly autostart: boolean; readonly transient: boolean; readonly noReboot: boolean }

/** @throws InfraError; disks that were made for it are taken away again. */
export async function createGuest(
  host: Host,
  connection: Connection,
  { install, final, name, disks }: Built,
  media: Media,
  { autostart, transient, noReboot }: CreateWishes,
  options: CallOptions,
): Promise<Domain> {
  const undo: (() => Promise<void>)[] = []
  try {
    // QEMU holds what it boots from open: the files may go once it executes.
    await using _media = await writeMedia(host, media, options)
    for (const disk of disks) {
      process.stdout.write(`Allocating '${disk.path.slice(disk.path.lastIndexOf('/') + 1)}'\n`)
      undo.push(await makeDisk(host, connection, disk, options))
    }
    process.stdout.write('Creating domain...\n')
    let domain: Domain | undefined
    if (transient || install !== undefined || !noReboot)
      domain = (await connection.call('domainCreateXml', [install ?? final, 0], options))[0]
    // What is kept is the guest without its installation.
    if (!transient || domain === undefined)
      domain = (await connection.call('domainDefineXmlFlags', [final, 0], options))[0]
    if (autostart) await connection.call('domainSetAutostart', [domain, 1], options)
    return domain
  } catch (error) {
    if (!(await exists(connection, name))) for (const takeAway of undo) await takeAway()
    throw error
  }
}

async function exists(connection: Connection, name: string): Promise<boolean> {
  try {
    await connection.call('domainLookupByName', [name], { signal: AbortSignal.timeout(10_000) })
    return true
  } catch (error) {
    if (isInfraError(error, 'not-found')) return false
    throw error
  }
}
