/** What a guest's screen shows, as QEMU writes it into a file (PNG since 7.1). */
import { tidying } from '../../../deadline.ts'
import { InfraError, isInfraError } from '../../../errors.ts'
import type { Host } from '../../../hosts/host.ts'
import type { CallOptions } from '../../hypervisor.ts'
import type { Picture } from '../../machine.ts'
import type { Known } from '../observe.ts'
import { withQmp } from '../qmp.ts'

export async function takePicture(host: Host, { definition, paths }: Known, options: CallOptions): Promise<Picture> {
  const { name } = definition
  const filename = `${paths.runtime}/screen`
  try {
    await withQmp(host, paths.control, options, async (qmp) => {
      // An older QEMU does not know the format, and gives what it has always given.
      await qmp.execute('screendump', { filename, format: 'png' }).catch(async (error: unknown) => {
        if (!isInfraError(error, 'failed') || !/format/.test(error.message)) throw error
        await qmp.execute('screendump', { filename })
      })
    })
    const bytes = await host.readFile(filename, options)
    if (bytes === undefined) throw new InfraError('failed', `${name}: QEMU has written no picture`, { subject: name })
    const isPng = new TextDecoder('latin1').decode(bytes.subarray(1, 4)) === 'PNG'
    return { type: isPng ? 'image/png' : 'image/x-portable-pixmap', bytes }
  } catch (error) {
    if (!isInfraError(error, 'failed') || !/no (graphic )?console|no console/i.test(error.message)) throw error
    throw new InfraError('unsupported', `take a picture of ${name}: it has no screen`, {
      subject: name,
      cause: error,
      hint: 'guests that boot from a disk have one; `baton console --log` shows what its serial line said',
    })
  } finally {
    await host.remove(filename, tidying())
  }
}
