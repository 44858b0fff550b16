/** A guest's definition and its xl.cfg, one from the other. Pure. */
import { parseXlDisk, printXlDisk } from '../../formats/xl-cfg/disk.ts'
import { parseXlCfg, type XlValue } from '../../formats/xl-cfg/parse.ts'
import { withoutSetting, withSetting } from '../../formats/xl-cfg/print.ts'
import { listSetting, numberSetting, settingsOf, textSetting, type XlSettings } from '../../formats/xl-cfg/settings.ts'
import { defaultBridge, parseXlVif, printXlVif } from '../../formats/xl-cfg/vif.ts'
import type { GuestBoot, GuestDefinition, GuestNetwork } from '../hypervisor.ts'

const mebibyte = 1024 ** 2
/** xl's own, where a configuration names none. */
const defaultMemoryMebibytes = 32

const heading = '# Written by Baton. What you change or add stays when Baton writes it again; `up` puts its own back.\n'

export type Machine = {
  readonly uuid: string
  readonly mac: string
  /** The paths of its disks, in their order. */
  readonly disks: readonly string[]
  /** The path of its seed, whether it has one or not. */
  readonly seed: string
}

/** The text anew, or `before` changed in place: comments and settings that Baton does not know stay as they are. */
export function configOf(definition: GuestDefinition, machine: Machine, before = heading): string {
  const has = settingsIn(before)
  const own = ownSettings(definition, machine, has)
  let text = before
  for (const [key, value] of Object.entries(own)) {
    if (value === undefined) text = withoutSetting(text, key)
    else if (JSON.stringify(has.get(key)) !== JSON.stringify(value)) text = withSetting(text, key, value)
  }
  return text
}

/** undefined: must not be there. What an operator may choose otherwise is only set where nothing is. */
function ownSettings(
  { name, memoryBytes, vcpus, boot, network, seed: hasSeed }: GuestDefinition,
  { uuid, mac, disks, seed }: Machine,
  has: XlSettings,
): Readonly<Record<string, XlValue | undefined>> {
  const isKernel = boot.kind === 'kernel'
  const mebibytes = Math.ceil(memoryBytes / mebibyte)
  const disc = boot.kind === 'disk' ? boot.disc : undefined
  const type = has.get('type') ?? (disc === undefined ? 'pv' : 'hvm')
  return {
    name,
    uuid: has.get('uuid') ?? uuid,
    type,
    memory: mebibytes,
    ...((numberSetting(has, 'maxmem') ?? mebibytes) < mebibytes ? { maxmem: mebibytes } : {}),
    vcpus,
    ...((numberSetting(has, 'maxvcpus') ?? vcpus) < vcpus ? { maxvcpus: vcpus } : {}),
    ...bootSettings(boot, has, type === 'hvm'),
    ...(isKernel ? {} : { kernel: undefined }),
    disk: [
      ...disks.map((target, index) => diskText(target, vdev(index))),
      ...(hasSeed === undefined ? [] : [diskText(seed, seedVdev, true)]),
      ...(disc === undefined ? [] : [discText(disc)]),
      ...otherDisks(has, disks.length, [seed, ...(disc === undefined ? [] : [disc])]),
    ],
    vif: [vifText(network, mac, has), ...listSetting(has, 'vif').slice(1)],
    on_poweroff: has.get('on_poweroff') ?? 'destroy',
    on_reboot: has.get('on_reboot') ?? 'restart',
    // Baton sees that it crashed and says so; a guest that crashes at each boot is not started for ever.
    on_crash: has.get('on_crash') ?? 'destroy',
  }
}

function bootSettings(boot: GuestBoot, has: XlSettings, isHvm: boolean): Readonly<Record<string, XlValue | undefined>> {
  if (boot.kind === 'disk') {
    // First the disk, then the disc: an empty disk does not boot, an installed one does.
    const drive = boot.disc === undefined ? {} : { boot: has.get('boot') ?? 'cd', serial: has.get('serial') ?? 'pty' }
    return {
      ...drive,
      ramdisk: undefined,
      cmdline: undefined,
      ...(isHvm ? {} : { bootloader: has.get('bootloader') ?? 'pygrub' }),
    }
  }
  const { kernel, initrd, cmdline } = boot
  return { kernel, ramdisk: initrd, cmdline: xenCommandLine(cmdline), bootloader: undefined }
}

/** Under Xen a disk is xvda and the console hvc0, whatever virtual hardware the image was made for. */
export function xenCommandLine(cmdline: string): string {
  const words = cmdline.split(/\s+/).filter((word) => word !== '' && !/^console=tty(S|AMA)\d/.test(word))
  const xen = words.map((word) => word.replace(/^root=\/dev\/[vs]d([a-z])/, 'root=/dev/xvd$1'))
  return [...xen, ...(xen.some((word) => word.startsWith('console=')) ? [] : ['console=hvc0'])].join(' ')
}

const vdev = (index: number): string => `xvd${String.fromCharCode('a'.charCodeAt(0) + index)}`

/** Behind whatever is attached. */
const seedVdev = 'xvdz'

function diskText(target: string, name: string, isReadOnly = false): string {
  return printXlDisk({ target, format: 'raw', vdev: name, isReadOnly, isCdrom: false })
}

/** A drive of discs as the firmware knows it. */
function discText(target: string): string {
  return printXlDisk({ target, format: 'raw', vdev: 'hdc', isReadOnly: true, isCdrom: true })
}

/** Disks that somebody has added by hand. */
function otherDisks(has: XlSettings, count: number, ours: readonly string[]): readonly string[] {
  const own = new Set(Array.from({ length: count }, (_, index) => vdev(index)))
  return listSetting(has, 'disk').filter((text) => {
    const disk = parseXlDisk(text)
    return !own.has(disk.vdev) && !ours.includes(disk.target)
  })
}

/** The card keeps what else it was given, its address on the wire first of all. */
function vifText(network: GuestNetwork, mac: string, has: XlSettings): string {
  const vif = new Map(parseXlVif(listSetting(has, 'vif')[0] ?? ''))
  if (!vif.has('mac')) vif.set('mac', mac)
  if (network.kind === 'bridge') vif.set('bridge', network.bridge)
  return printXlVif(vif)
}

export function settingsIn(text: string): XlSettings {
  return settingsOf(parseXlCfg(text).assignments).settings
}

/** What was changed by hand in the file counts, where Baton has a word for it. */
export function definitionFrom(known: GuestDefinition, settings: XlSettings): GuestDefinition {
  const memory = numberSetting(settings, 'memory')
  const vcpus = numberSetting(settings, 'vcpus')
  const wanted = Math.ceil(known.memoryBytes / mebibyte)
  return {
    ...known,
    memoryBytes: memory === undefined || memory === wanted ? known.memoryBytes : memory * mebibyte,
    vcpus: vcpus ?? known.vcpus,
    network: known.network.kind === 'bridge' ? { ...known.network, bridge: bridgeOf(settings) } : known.network,
  }
}

/** A guest that Baton did not make. Its disks are not Baton's: none are named. undefined without a name. */
export function foreignDefinition(settings: XlSettings): GuestDefinition | undefined {
  const name = textSetting(settings, 'name')
  if (name === undefined || name === '') return undefined
  const kernel = textSetting(settings, 'kernel')
  const initrd = textSetting(settings, 'ramdisk')
  return {
    name,
    memoryBytes: (numberSetting(settings, 'memory') ?? defaultMemoryMebibytes) * mebibyte,
    vcpus: Math.max(1, numberSetting(settings, 'vcpus') ?? 1),
    image: '',
    boot:
      kernel === undefined
        ? { kind: 'disk' }
        : { kind: 'kernel', kernel, ...(initrd === undefined ? {} : { initrd }), cmdline: commandLineOf(settings) },
    disks: [],
    network: { kind: 'bridge', bridge: bridgeOf(settings) },
    autostart: false,
  }
}

/** As xl puts it together: `root=` and extra, unless cmdline says all of it. */
function commandLineOf(settings: XlSettings): string {
  const root = textSetting(settings, 'root')
  const parts = [root === undefined ? '' : `root=${root}`, textSetting(settings, 'extra') ?? '']
  return textSetting(settings, 'cmdline') ?? parts.filter((part) => part !== '').join(' ')
}

function bridgeOf(settings: XlSettings): string {
  return parseXlVif(listSetting(settings, 'vif')[0] ?? '').get('bridge') ?? defaultBridge
}

/** The address on the wire of a guest's first card, where the file fixes it. */
export function macOf(settings: XlSettings): string | undefined {
  return parseXlVif(listSetting(settings, 'vif')[0] ?? '')
    .get('mac')
    ?.toLowerCase()
}
