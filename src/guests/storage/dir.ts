/** Guest disks in a directory: qcow2 overlays that hold only what the guest changed. */
import { randomUUID } from 'node:crypto'
import { basename, dirname } from 'node:path'
import { InfraError, isInfraError } from '../../errors.ts'
import type { Host, RunResult } from '../../hosts/host.ts'
import type { GuestDisk } from '../hypervisor.ts'

type Signalled = { readonly signal: AbortSignal }

/**
 * Makes the disk unless it is there: an existing one holds the guest's data and is never made anew. A kill in the middle
 * leaves a `.partial` file, which the next call removes. @throws InfraError `invalid` for a disk smaller than its base.
 */
export async function ensureDisk(host: Host, path: string, disk: GuestDisk, options: Signalled): Promise<void> {
  const directory = dirname(path)
  const files = await host.list(directory, options)
  if (files === undefined) await host.makeDirectory(directory, { ...options, mode: 0o700 })
  else if (files.includes(basename(path))) return
  await checkSize(host, path, disk, options)
  for (const file of files ?? [])
    if (file.startsWith(basename(path))) await host.remove(`${directory}/${file}`, options)
  // Its own name each time: the qemu-img of a killed command may still be at work on the last one.
  const partial = `${path}.${randomUUID()}.partial`
  const base = disk.base === undefined ? [] : ['-b', disk.base.path, '-F', disk.base.format]
  const size = disk.sizeBytes === undefined ? [] : [String(disk.sizeBytes)]
  await qemuImg(host, ['create', '-q', '-f', 'qcow2', ...base, partial, ...size], path, options)
  await host.rename(partial, path, options)
}

/** qemu-img cuts an overlay that is smaller than its base, and with it the guest's file system. */
async function checkSize(host: Host, path: string, { base, sizeBytes }: GuestDisk, options: Signalled): Promise<void> {
  if (base === undefined || sizeBytes === undefined) return
  const args = ['info', '--output=json', '-U', '-f', base.format, base.path]
  const { stdout } = await qemuImg(host, args, path, options)
  const { 'virtual-size': least } = JSON.parse(stdout) as { readonly 'virtual-size': number }
  if (sizeBytes >= least) return
  throw new InfraError('invalid', `make disk ${path}: ${sizeBytes} bytes are less than its image has (${least})`, {
    subject: base.path,
    hint: `give the guest a disk of at least ${Math.ceil(least / 1024 ** 2)}M`,
  })
}

async function qemuImg(host: Host, args: readonly string[], path: string, options: Signalled): Promise<RunResult> {
  const result = await host.run(['qemu-img', ...args], options).catch((error: unknown) => {
    if (!isInfraError(error, 'missing-tool')) throw error
    const hint = 'apt-get install qemu-utils'
    throw new InfraError('missing-tool', 'qemu-img is not installed', { subject: 'qemu-img', cause: error, hint })
  })
  if (result.code === 0) return result
  const reason = result.stderr.trim().replaceAll(/^qemu-img: /gm, '')
  const code = /No space left/.test(reason) ? 'no-space' : 'failed'
  throw new InfraError(code, `make disk ${path}: ${reason}`, { subject: path })
}
