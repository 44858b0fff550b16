/** What a guest's first screen shows. */
import { InfraError } from '../../../errors.ts'
import type { CallOptions } from '../../hypervisor.ts'
import type { Picture } from '../../machine.ts'
import type { Connection } from '../connection.ts'
import type { Known } from '../observe.ts'

/** Larger than any screen: what says more is cut off. */
const maxBytes = 256 * 1024 ** 2

export async function takePicture(connection: Connection, { domain }: Known, options: CallOptions): Promise<Picture> {
  const stream = await connection.stream('domainScreenshot', [domain, 0, 0], options).catch((error: unknown) => {
    if (!(error instanceof InfraError) || options.signal.aborted || connection.lost.aborted) throw error
    throw new InfraError('unsupported', `take a picture of ${domain.name}: ${error.message}`, {
      subject: domain.name,
      cause: error,
      hint: 'it may have no screen (`virt-install --graphics vnc` gives a guest one); `baton console --log` shows its serial line',
    })
  })
  const pieces: Buffer[] = []
  let length = 0
  for await (const piece of stream) {
    pieces.push(piece as Buffer)
    length += (piece as Buffer).length
    if (length > maxBytes)
      throw new InfraError('failed', `${domain.name} has no screen of this size`, { subject: domain.name })
  }
  const bytes = Buffer.concat(pieces)
  // QEMU since 7.1 gives PNG whatever libvirt calls it.
  return { type: bytes.subarray(1, 4).toString('latin1') === 'PNG' ? 'image/png' : 'image/x-portable-pixmap', bytes }
}
