/** Disks and cards that come to a guest and go, while it runs or not. */
import { setTimeout as sleep } from 'node:timers/promises'
import { InfraError } from '../../../errors.ts'
import { parseXlDisk, printXlDisk } from '../../../formats/xl-cfg/disk.ts'
import { listSetting } from '../../../formats/xl-cfg/settings.ts'
import { parseXlVif, printXlVif } from '../../../formats/xl-cfg/vif.ts'
import type { Host } from '../../../hosts/host.ts'
import { abortError } from '../../../hosts/local/failures.ts'
import type { CallOptions } from '../../hypervisor.ts'
import { randomMac } from '../../mac-address.ts'
import type { AttachedDevice, DiskDevice, MachineDevice, NetworkDevice } from '../../machine.ts'
import { readJson } from '../../records.ts'
import type { Known } from '../observe.ts'
import { refuseSharedDisks } from '../sharing.ts'
import { mustXl, runXl, xlFailure } from '../xl.ts'
import { keepInConfig } from './config-file.ts'

const sweepMs = 30_000

export async function attachedDevices(
  host: Host,
  { paths }: Known,
  options: CallOptions,
): Promise<readonly AttachedDevice[]> {
  return (await readJson<readonly AttachedDevice[]>(host, paths.attached, options)) ?? []
}

export async function attachDevice(
  host: Host,
  guest: Known,
  device: MachineDevice,
  options: CallOptions,
): Promise<AttachedDevice> {
  const attached =
    device.kind === 'disk'
      ? await attachDisk(host, guest, device, options)
      : await attachCard(host, guest, device, options)
  await note(host, guest, [...(await attachedDevices(host, guest, options)), attached], options)
  return attached
}

async function attachDisk(
  host: Host,
  guest: Known,
  { path, format, isReadOnly }: DiskDevice,
  options: CallOptions,
): Promise<AttachedDevice> {
  const { definition, settings, state } = guest
  const { name } = definition
  const texts = listSetting(settings, 'disk')
  const disks = texts.map((text) => parseXlDisk(text))
  if (disks.some(({ target }) => target === path))
    throw new InfraError('already-exists', `attach ${path}: ${name} has it already`, { subject: path })
  if (state === 'running' && format !== 'raw')
    throw new InfraError('unsupported', `attach ${path}: a running guest of Xen takes raw disks only`, {
      subject: path,
      hint: `baton attach disk --format raw; a qcow2 disk after baton shutdown ${name}, for its next start`,
    })
  if (!isReadOnly) await refuseSharedDisks(host, name, [path], options)
  const vdev = freeVdev(disks.map(({ vdev: taken }) => taken))
  const text = printXlDisk({ target: path, format, vdev, isReadOnly, isCdrom: false })
  if (state === 'running') {
    const row = new RegExp(`^${vdevNumber(vdev)}\\s`)
    await attachNow(host, name, { kind: 'block', words: [text], name: vdev, row }, options)
  }
  await keepInConfig(host, guest, { disk: [...texts, text] }, options)
  return { kind: 'disk', name: path, target: vdev }
}

async function attachCard(
  host: Host,
  guest: Known,
  device: NetworkDevice,
  options: CallOptions,
): Promise<AttachedDevice> {
  const { definition, settings, state } = guest
  const { name } = definition
  if (!('bridge' in device))
    throw new InfraError('unsupported', `attach network: guests on Xen have cards on a bridge of the host only`, {
      subject: name,
      hint: 'baton attach network --bridge NAME',
    })
  const mac = randomMac('xen')
  const text = printXlVif(new Map(Object.entries({ mac, bridge: device.bridge })))
  if (state === 'running') {
    const row = new RegExp(`\\s${mac}\\s`, 'i')
    await attachNow(host, name, { kind: 'network', words: text.split(','), name: mac, row }, options)
  }
  await keepInConfig(host, guest, { vif: [...listSetting(settings, 'vif'), text] }, options)
  return { kind: 'network', name: mac }
}

export async function detachDevice(host: Host, guest: Known, device: string, options: CallOptions): Promise<void> {
  const { definition, settings, state } = guest
  const { name } = definition
  const standing = await attachedDevices(host, guest, options)
  const found = standing.find((one) => one.name.toLowerCase() === device.toLowerCase())
  if (found === undefined)
    throw new InfraError('not-found', `detach ${device}: it was not attached to ${name}`, {
      subject: device,
      hint: `baton attach list ${name} shows what was: what the guest was made with stays`,
    })
  const isDisk = found.kind === 'disk'
  if (state === 'running') {
    const words = isDisk ? ['block-detach', name, found.target ?? ''] : ['network-detach', name, found.name]
    await mustXl(host, `detach ${device} from ${name}`, name, words, options)
  }
  const disks = listSetting(settings, 'disk').filter((text) => parseXlDisk(text).target !== found.name)
  const cards = listSetting(settings, 'vif').filter((text) => parseXlVif(text).get('mac')?.toLowerCase() !== found.name)
  await keepInConfig(host, guest, isDisk ? { disk: disks } : { vif: cards }, options)
  const rest = standing.filter((one) => one !== found)
  await note(host, guest, rest, options)
}

async function note(
  host: Host,
  { paths }: Known,
  attached: readonly AttachedDevice[],
  options: CallOptions,
): Promise<void> {
  if (attached.length === 0) return host.remove(paths.attached, options)
  await host.makeDirectory(paths.state, { ...options, mode: 0o700 })
  await host.writeFile(paths.attached, JSON.stringify(attached), options)
}

type Attachment = {
  readonly kind: 'block' | 'network'
  readonly words: readonly string[]
  readonly name: string
  /** Its line in what xl lists. */
  readonly row: RegExp
}

/** What xl could not attach stays in its lists, and meets the guest at its next restore: it is taken away again. */
async function attachNow(host: Host, guest: string, device: Attachment, options: CallOptions): Promise<void> {
  const { kind, words, name } = device
  const what = `attach ${words.join(',')} to ${guest}`
  try {
    const result = await runXl(host, [`${kind}-attach`, guest, ...words], options)
    if (result.code !== 0) throw xlFailure(what, guest, result)
    await untilConnected(host, guest, device, what, options)
  } catch (error) {
    await runXl(host, [`${kind}-detach`, guest, name], { signal: AbortSignal.timeout(sweepMs) })
    throw error
  }
}

/** XenbusStateConnected of Xen's public/io/xenbus.h. */
const connected = 4

async function untilConnected(
  host: Host,
  guest: string,
  { kind, row }: Attachment,
  what: string,
  { signal }: CallOptions,
): Promise<void> {
  for (let waitMs = 50; ; waitMs = Math.min(waitMs * 2, 500)) {
    const lines = (await mustXl(host, what, guest, [`${kind}-list`, guest], { signal })).split('\n')
    const words =
      lines
        .find((text) => row.test(text))
        ?.trim()
        .split(/\s+/) ?? []
    // Vdev BE handle state …, or Idx BE MAC handle state …
    if (Number(words[kind === 'block' ? 3 : 4]) === connected) return
    await sleep(waitMs, undefined, { signal }).catch(() => {
      throw abortError(signal, `${what}: wait until the guest has taken it`, guest)
    })
  }
}

function freeVdev(taken: readonly string[]): string {
  for (const letter of 'abcdefghijklmnop')
    if (!taken.some((vdev) => vdev.startsWith(`xvd${letter}`))) return `xvd${letter}`
  throw new InfraError('invalid', 'a guest of Xen has 16 disks at most', { subject: 'disk' })
}

/** xvda is 51712, and each next one 16 more (Linux, Documentation/admin-guide/devices.txt, block 202). */
const vdevNumber = (vdev: string): number => 51_712 + 16 * (vdev.charCodeAt(3) - 'a'.charCodeAt(0))
