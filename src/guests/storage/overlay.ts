/** Guest disks in a directory: qcow2 overlays that hold only what the guest changed. */
import { InfraError } from '../../errors.ts'
import type { Host } from '../../hosts/host.ts'
import type { GuestDisk } from '../hypervisor.ts'

/** Makes the disk unless it is there: an existing one holds the guest's data and is never made anew. */
export async function ensureDisk(
  host: Host,
  path: string,
  disk: GuestDisk,
  options: { readonly signal: AbortSignal },
): Promise<void> {
  if ((await host.run(['test', '-e', path], options)).code === 0) return
  const partial = `${path}.partial`
  await host.remove(partial, options)
  const base = disk.base === undefined ? [] : ['-b', disk.base.path, '-F', disk.base.format]
  const size = disk.sizeBytes === undefined ? [] : [String(disk.sizeBytes)]
  const result = await host
    .run(['qemu-img', 'create', '-q', '-f', 'qcow2', ...base, partial, ...size], options)
    .catch((error: unknown) => {
      throw error instanceof InfraError && error.code === 'missing-tool'
        ? new InfraError('missing-tool', error.message, {
            subject: 'qemu-img',
            cause: error,
            hint: 'apt-get install qemu-utils',
          })
        : error
    })
  if (result.code !== 0) throw new InfraError('failed', `make disk ${path}: ${result.stderr.trim()}`, { subject: path })
  await host.rename(partial, path, options)
}
