/** Swap space on a guest's disk. */
import type { Host } from '../../hosts/host.ts'
import { type Doing, mustRun } from './qemu-img.ts'

/** What a guest looks for: `swapon LABEL=swap`, or that in its fstab(5). */
const label = 'swap'

/** mkswap(8) on a raw file or a block device, all of it. */
export async function makeSwap(host: Host, target: string, doing: Doing): Promise<void> {
  // An ordinary user's PATH has no sbin.
  const script = 'PATH=$PATH:/usr/sbin:/sbin; exec "$@"'
  await mustRun(host, ['sh', '-c', script, 'sh', 'mkswap', '-L', label, target], doing)
}
