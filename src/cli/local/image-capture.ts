/** `baton image capture`: a guest's disk as an image, by which other guests are made. */
import type { Command } from 'commander'
import { within } from '../../deadline.ts'
import { InfraError } from '../../errors.ts'
import { mustBeOff } from '../../guests/clone.ts'
import { convertDiskFile } from '../../guests/images/disk-files.ts'
import { machineOf } from '../../guests/machine.ts'
import { type Context, runAction } from '../action.ts'
import { addTimeoutOption, askMs } from '../deadline-options.ts'
import { openWorkingLine } from '../progress/working-line.ts'
import { checkImageName, keepImage } from './image-names.ts'
import { type FoundGuest, findGuest, openMachine } from './machine.ts'

type Options = { readonly paused?: true; readonly timeout: number; readonly json?: true }

const captureMs = 3_600_000

export function registerCapture(image: Command): void {
  const capture = image
    .command('capture')
    .description('keep what a guest has on its first disk as an image of its own')
    .argument('<guest>', 'one that boots from its disk, and is off')
    .argument('<name>', 'what specs call it (images: NAME: { stored: … })')
    .option('--paused', 'of one that runs: it stands still meanwhile; what it has not written yet is missing')
    .option('--json', 'print JSON')
  addTimeoutOption(capture, captureMs).action((guest: string, name: string, options: Options) =>
    runAction(async (context) => {
      await captureGuest(guest, name, options, context)
      return undefined
    }),
  )
}

async function captureGuest(guest: string, name: string, options: Options, context: Context): Promise<void> {
  checkImageName(name)
  const signal = within(context.signal, options.timeout)
  await using machine = await openMachine({ signal: within(signal, askMs) })
  const found = await findGuest(machine, guest, { signal: within(signal, askMs) })
  const disk = diskOf(found)
  const pauses = options.paused === true && found.guest.state === 'running'
  if (!pauses && !(options.paused === true && found.guest.state === 'paused'))
    mustBeOff(found.guest, `capture ${guest}`)
  const copy = `${machine.host.directories.cache}/captured-${process.pid}-${name}.qcow2`
  await machine.host.makeDirectory(machine.host.directories.cache, { signal })
  try {
    if (pauses) await found.hypervisor.pause(guest, { signal })
    try {
      using line = openWorkingLine(name, context.output)
      const conversion = {
        from: disk,
        fromFormat: 'qcow2',
        to: copy,
        format: 'qcow2',
        isOpen: options.paused === true,
      } as const
      await convertDiskFile(machine.host, conversion, { signal, progress: line.say })
    } finally {
      if (pauses) await found.hypervisor.unpause(guest, { signal: AbortSignal.timeout(askMs) })
    }
    await keepImage(name, { kind: 'disk', path: copy }, options, context)
  } finally {
    await machine.host.remove(copy, { signal: AbortSignal.timeout(askMs) })
  }
}

/** @throws InfraError `unsupported` or `invalid` for a guest whose first disk does not make a guest. */
function diskOf({ guest: { definition }, hypervisor }: FoundGuest): string {
  const { placesOfDisks } = machineOf(hypervisor, 'placesOfDisks')
  const { name, boot } = definition
  if (boot.kind === 'kernel')
    throw new InfraError('invalid', `capture ${name}: its kernel is not on its disk, an image of that would not boot`, {
      subject: name,
      hint: 'say in its image what it is to have: packages, files',
    })
  const [disk] = placesOfDisks(definition)
  if (disk === undefined)
    throw new InfraError('invalid', `capture ${name}: it has no disk of Baton's`, { subject: name })
  return disk
}
