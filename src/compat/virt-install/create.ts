/** Makes the disks, defines the guest at libvirt and starts it. */
import { InfraError, isInfraError } from '../../errors.ts'
import type { Connection } from '../../guests/libvirt/connection.ts'
import type { Host } from '../../hosts/host.ts'
import type { Built } from './build.ts'
import type { NewDisk } from './disks.ts'
import { Refusal } from './refusal.ts'

type CallOptions = { readonly signal: AbortSignal }

/** @throws Refusal or InfraError; disks that were made for it are taken away again. */
export async function createGuest(
  host: Host,
  connection: Connection | undefined,
  { install, final, name, disks }: Built,
  { autostart, transient }: { readonly autostart: boolean; readonly transient: boolean },
  options: CallOptions,
): Promise<void> {
  if (connection === undefined)
    throw new Refusal('no libvirt daemon listens (systemctl start libvirtd); --print-xml prints the domain without one')
  process.stdout.write('\nStarting install...\n')
  const made: string[] = []
  try {
    for (const disk of disks) {
      process.stdout.write(`Allocating '${disk.path.slice(disk.path.lastIndexOf('/') + 1)}'\n`)
      await makeDisk(host, disk, options)
      made.push(disk.path)
    }
    process.stdout.write('Creating domain...\n')
    // The first boot is of the installation; what is kept is the guest without it.
    await connection.call('domainCreateXml', [install ?? final, 0], options)
    if (!transient) {
      const [domain] = await connection.call('domainDefineXmlFlags', [final, 0], options)
      if (autostart) await connection.call('domainSetAutostart', [domain, 1], options)
    }
  } catch (error) {
    if (!(await exists(connection, name)))
      for (const path of made) await host.remove(path, { signal: AbortSignal.timeout(10_000) })
    throw error
  }
  const how = install === undefined ? '' : `You can restart your domain by running:\n  virsh start ${name}\n`
  process.stdout.write(`Domain creation completed.\n${how}`)
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

async function makeDisk(
  host: Host,
  { path, sizeBytes, format, isSparse, backing }: NewDisk,
  options: CallOptions,
): Promise<void> {
  const store = backing === undefined ? [] : ['-b', backing.path, '-F', backing.format ?? 'qcow2']
  const preallocation = isSparse ? [] : ['-o', `preallocation=${format === 'raw' ? 'full' : 'falloc'}`]
  const { code, stderr } = await host.run(
    ['qemu-img', 'create', '-q', '-f', format, ...store, ...preallocation, path, String(sizeBytes)],
    options,
  )
  if (code !== 0) throw new InfraError('failed', `make ${path}: ${stderr.trim()}`, { subject: path })
}
