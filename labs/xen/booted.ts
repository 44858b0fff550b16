/** The lab's machine as its boot has left it: its memory and disk are kept in files, and a run goes on from there. */
import { truncate, writeFile } from 'node:fs/promises'
import { cpus } from 'node:os'
import { writeMemory } from '../../src/guests/qemu/memory.ts'
import type { Qmp } from '../../src/guests/qemu/qmp.ts'
import type { Host } from '../../src/hosts/host.ts'
import { type BuildPlace, builtOnce } from '../images/once.ts'
import { type XenImage, xenImage } from './image.ts'
import { emptyDiskBytes, hardware, makeDiskOver, startMachine } from './machine.ts'

export type Booted = { readonly image: XenImage; readonly disk: string; readonly memory: string }

const bootMs = 900_000

/** Some minutes the first time. @throws Error with what it said when it does not come up. */
export async function bootedMachine(host: Host, signal: AbortSignal): Promise<Booted> {
  const image = await xenImage(host, signal)
  const qemu = await host.run(['qemu-system-x86_64', '--version'], { signal })
  // Xen has measured the processor's clock at its boot.
  const recipe = [image, hardware, qemu.stdout, cpus()[0]?.model]
  const directory = await builtOnce({ host, signal }, 'xen-booted', recipe, (place) => boot(image, place))
  return { image, disk: `${directory}/disk.qcow2`, memory: `${directory}/memory` }
}

async function boot(image: XenImage, { directory, scratch, signal }: BuildPlace): Promise<void> {
  const disk = `${directory}/disk.qcow2`
  const more = `${scratch}/more.raw`
  await writeFile(more, '')
  await truncate(more, emptyDiskBytes)
  await makeDiskOver(disk, image.disk, 'raw', { signal })
  const limit = { signal: AbortSignal.any([signal, AbortSignal.timeout(bootMs)]), patienceMs: bootMs }
  await using machine = await startMachine(image, { ...limit, disk, more })
  try {
    await machine.until(() => machine.console().includes('lab: ready'), limit)
    // It writes out what it holds of its disk, too, before it says that it is done.
    const write = (qmp: Qmp): Promise<void> =>
      writeMemory((command, words) => qmp.execute(command, words), 'the lab', `${directory}/memory`, limit)
    await machine.control(write, limit)
  } catch (error) {
    const said = machine.console().slice(-5000)
    throw new Error(`the Xen lab's machine does not come up: ${String(error)}\n${said}`, { cause: error })
  }
}
