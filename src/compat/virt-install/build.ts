/** From what the command line says to the domains it means: the one for the installation, and the one for ever after. */
import { randomUUID } from 'node:crypto'
import {
  addElement,
  type Element,
  elementAt,
  elementsAt,
  ensureAt,
  formatXml,
  newElement,
  removeAt,
  setAt,
  valueAt,
} from '../../formats/domain-xml/document.ts'
import { randomMac } from '../../guests/mac-address.ts'
import { applyOption } from './apply.ts'
import { type Capabilities, checkSupported } from './capabilities.ts'
import { chosenOs } from './chosen-os.ts'
import { completeDisk, type DiskContext, type NewDisk } from './disks.ts'
import { addUsb2, addUsb3, completeGuest, type Machine } from './guest.ts'
import { readInstallWords } from './install-words.ts'
import type { Media } from './media.ts'
import type { Said } from './options.ts'
import type { OsFacts } from './osinfo.ts'
import { Refusal } from './refusal.ts'
import { absolute } from './settings.ts'
import { optionTables } from './sub-options.ts'
import { splitWords } from './words.ts'

export type HostFacts = Pick<Machine, 'virtType' | 'emulator' | 'pc'> & {
  /** undefined where no daemon says. */
  readonly capabilities?: Capabilities
  readonly poolDirectory: DiskContext['poolDirectory']
  readonly names: ReadonlySet<string>
}

export type Built = {
  /** The first boot; undefined when nothing is installed. */
  readonly install: string | undefined
  readonly final: string
  readonly name: string
  readonly disks: readonly NewDisk[]
  /** Something is put into the guest at its first boot, which ends when it is done. */
  readonly hasInstallPhase: boolean
  /** For standard error. */
  readonly notes: readonly string[]
}

/** How the guest is first booted. */
/** Words of --controller that are no types. */
const usbBuses: Readonly<Record<string, (devices: Element) => void>> = { usb2: addUsb2, usb3: addUsb3 }

type Method = 'cdrom' | 'livecd' | 'pxe' | 'location' | 'import' | 'boot'

/** `media`: what the first boot has besides. @throws Refusal */
export function buildDomains({ options }: Said, host: HostFacts, media: Omit<Media, 'files'> = {}): Built {
  const notes: string[] = []
  const last = (name: string): string | undefined => options.findLast((option) => option.name === name)?.value
  const has = (name: string): boolean => options.some((option) => option.name === name)
  const os = chosenOs(last('os-variant'))
  const domain = newElement('domain')
  const name = metadataName(options) ?? last('name')
  const context: DiskContext = {
    guest: name ?? defaultName(os, host.names),
    poolDirectory: host.poolDirectory,
    taken: new Set(),
  }
  setAt(domain, './name', context.guest)
  setAt(domain, './uuid', last('uuid') ?? randomUUID())
  if (host.names.has(context.guest)) throw new Refusal(`Guest name '${context.guest}' is already in use.`)
  const given = new Set<string>()
  const disks: NewDisk[] = []
  let rootPorts: number | undefined
  for (const { name: option, value } of options) {
    if (!(option in optionTables) || value === undefined || option === 'xml') continue
    if (value !== 'none' || !comesAnyway.has(option)) given.add(option)
    const text = option === 'disk' ? friendlyDisk(value, notes) : value
    if (text === 'none' && (optionTables[option]?.repeats ?? false) && !keepsNone.has(option)) continue
    const addBus = option === 'controller' ? usbBuses[text] : undefined
    if (addBus !== undefined) {
      addBus(ensureAt(domain, './devices'))
      continue
    }
    noteSwitchedOff(option, text, given)
    const { element, words } = applyOption(domain, option, text)
    if (words.has('num_pcie_root_ports')) rootPorts = Number(words.get('num_pcie_root_ports'))
    if (option === 'disk') {
      const made = completeDisk(element, words, context)
      if (made !== undefined) disks.push(made)
    }
  }
  if (has('nographics')) given.add('graphics')
  if (has('nonetworks')) given.add('network')
  if (has('nodisks')) given.add('disk')
  setDefaultSizes(domain, os)
  const method = methodOf({ has, domain, bootdev: bootDevice(last('install')), media })
  const medium = media.cdrom ?? last('cdrom')
  if (medium !== undefined) addMedium(domain, medium, method === 'livecd' ? 'stays' : 'install')
  if (media.seed !== undefined) addMedium(domain, media.seed, 'seed')
  if (!given.has('disk') && method !== 'boot')
    throw new Refusal('An --disk storage must be specified (override with --disk none)')
  const arch = last('arch') ?? valueAt(domain, './os/type/@arch') ?? 'x86_64'
  const machine = last('machine') ?? valueAt(domain, './os/type/@machine')
  if (host.capabilities !== undefined)
    checkSupported(host.capabilities, {
      osType: valueAt(domain, './os/type') || 'hvm',
      arch,
      machine,
      domainType: last('virt-type') ?? valueAt(domain, './@type'),
    })
  const virtType =
    last('virt-type') === 'kvm' || last('virt-type') === 'qemu' ? (last('virt-type') as 'kvm' | 'qemu') : host.virtType
  const emulator = arch === 'x86_64' ? host.emulator : host.emulator.replace('x86_64', arch === 'i686' ? 'i386' : arch)
  completeGuest(domain, {
    ...host,
    securityModel: host.capabilities?.securityModel,
    virtType,
    emulator,
    os,
    arch,
    machine,
    given,
    rootPorts,
  })
  for (const card of elementsAt(domain, './devices/interface'))
    if (valueAt(card, './mac/@address') === undefined) setAt(card, './mac/@address', randomMac('qemu'))
  setTopology(domain)
  const built = installSteps(domain, method, os?.isWindows === true, media, options)
  return { ...built, name: context.guest, disks, notes }
}

/** Of these `none` is no wish: they come with the screen. */
const comesAnyway = new Set(['video', 'input'])

/** Elements that say by their model that there is none of them. */
const keepsNone = new Set(['memballoon', 'serial', 'parallel', 'vsock'])

function metadataName(options: Said['options']): string | undefined {
  for (const { name, value } of options)
    if (name === 'metadata' && value !== undefined) {
      const found = splitWords(value).find((word) => word.name === 'name')?.value
      if (found !== undefined) return found
    }
  return undefined
}

/** A name by its system, as `debian11`, `debian11-2`. */
function defaultName(os: OsFacts | undefined, names: ReadonlySet<string>): string {
  const base = os?.shortId ?? 'vm'
  for (let number = 1; ; number += 1) {
    const name = number === 1 ? base : `${base}-${number}`
    if (!names.has(name)) return name
  }
}

/** virt-install takes a bare number for a path; a size is what was meant. */
function friendlyDisk(text: string, notes: string[]): string {
  const [, number, rest = ''] = /^(\d+)(,.*)?$/s.exec(text) ?? []
  if (number === undefined) return text
  notes.push(
    `--disk ${text}: taken as size=${number}, a disk of ${number} GiB (virt-install itself takes it for a path)`,
  )
  return `size=${number}${rest}`
}

/** What was switched off by hand is not put back. */
function noteSwitchedOff(option: string, text: string, given: Set<string>): void {
  if (option !== 'features') return
  for (const { name } of splitWords(text)) given.add(`features.${name}`)
}

function setDefaultSizes(domain: Element, os: OsFacts | undefined): void {
  if (elementAt(domain, './memory') === undefined) {
    if (os?.memoryBytes === undefined) throw new Refusal('--memory amount in MiB is required')
    for (const path of ['./memory', './currentMemory']) setAt(domain, path, String(Math.floor(os.memoryBytes / 1024)))
  }
  if (!['', '0'].includes(valueAt(domain, './vcpu') ?? '')) return
  const counts = ['sockets', 'dies', 'cores', 'threads'].map((word) => valueAt(domain, `./cpu/topology/@${word}`))
  const isSaid = counts.some((count) => count !== undefined)
  const product = counts.reduce((total, count) => total * Number(count ?? 1), 1)
  setAt(domain, './vcpu', String(isSaid ? product : (os?.cpus ?? 1)))
}

/** What of a topology was not said is worked out: everything that is left is sockets. */
function setTopology(domain: Element): void {
  const topology = elementAt(domain, './cpu/topology')
  if (topology === undefined) return
  const count = (name: string): number | undefined =>
    topology.hasAttribute(name) ? Number(topology.getAttribute(name)) : undefined
  const total = Number(valueAt(domain, './vcpu') ?? 1)
  const others = (name: string): number =>
    ['sockets', 'dies', 'cores', 'threads']
      .filter((one) => one !== name)
      .reduce((product, one) => product * (count(one) ?? 1), 1)
  if (count('sockets') === undefined)
    topology.setAttribute('sockets', String(Math.max(1, Math.floor(total / others('sockets')))))
  for (const name of ['dies', 'threads']) if (count(name) === undefined) topology.setAttribute(name, '1')
  if (count('cores') === undefined)
    topology.setAttribute('cores', String(Math.max(1, Math.floor(total / others('cores')))))
  const parts = ['sockets', 'dies', 'cores', 'threads'].map((word) => [word, count(word) ?? 1] as const)
  const product = parts.reduce((all, [, one]) => all * one, 1)
  if (product !== total)
    throw new Refusal(
      `Total CPUs implied by topology (${parts.map(([word, one]) => `${word}=${one}`).join(' * ')} == ${product}) does not match vCPU count ${total}`,
    )
}

type MethodFacts = {
  readonly has: (name: string) => boolean
  readonly domain: Element
  /** Of `--install bootdev=…`. */
  readonly bootdev: string | undefined
  readonly media: Omit<Media, 'files'>
}

/** @throws Refusal when nothing says where the guest boots from. */
function methodOf({ has, domain, bootdev, media }: MethodFacts): Method {
  if (media.kernel !== undefined) return 'location'
  if (has('cdrom')) return has('livecd') ? 'livecd' : 'cdrom'
  if (has('pxe') || bootdev === 'network') return 'pxe'
  if (has('import') || bootdev === 'hd') return 'import'
  const boots = elementAt(domain, './os/kernel') ?? elementAt(domain, './os/boot') ?? elementAt(domain, './os/init')
  if (boots !== undefined || has('boot') || has('install')) return 'boot'
  if (has('cloud-init')) return 'import'
  throw new Refusal(
    'An install method must be specified\n(--location URL, --cdrom CD/ISO, --pxe, --import, --boot hd|cdrom|...)',
  )
}

/** @throws Refusal */
function bootDevice(install: string | undefined): string | undefined {
  const device = install === undefined ? undefined : readInstallWords('install', install).get('bootdev')
  if (device !== undefined && device !== 'network' && device !== 'hd')
    throw new Refusal(`Error: --install bootdev=${device}: bootdev is network or hd (--cdrom ISO boots from a medium)`)
  return device
}

/** Before the cdroms that are there already, so that it is the one that `cdrom` boots from; a seed comes last. */
function addMedium(domain: Element, path: string, use: 'install' | 'seed' | 'stays'): void {
  const devices = ensureAt(domain, './devices')
  const first = elementsAt(devices, './disk').find((disk) => disk.getAttribute('device') === 'cdrom')
  const disk = addElement(devices, 'disk', {
    './@type': 'file',
    './@device': 'cdrom',
    './driver/@name': 'qemu',
    './driver/@type': 'raw',
    './source/@file': absolute(path),
    './readonly': '',
  })
  if (first !== undefined && use !== 'seed') devices.insertBefore(disk, first)
  if (use !== 'stays') disk.setAttribute('data-medium', use)
}

/** `installs`: it ends when it is done, and what was put in boots afterwards. */
const methods: Readonly<Record<Method, { readonly first: readonly string[]; readonly installs: boolean }>> = {
  cdrom: { first: ['cdrom', 'hd'], installs: true },
  livecd: { first: [], installs: false },
  pxe: { first: ['network', 'hd'], installs: true },
  location: { first: [], installs: true },
  import: { first: [], installs: false },
  boot: { first: [], installs: false },
}

/** What an installed guest boots from: its disk, else what it was installed from, else the first medium that it has. */
function bootOrderAfter(domain: Element, method: Method): readonly string[] {
  const first = valueAt(domain, './devices/disk/@device') ?? 'disk'
  const names: Readonly<Record<string, string>> = { disk: 'hd', cdrom: 'cdrom', floppy: 'fd' }
  const without: Partial<Record<Method, string>> = { cdrom: 'cdrom', pxe: 'network' }
  const installed = method === 'livecd' ? 'cdrom' : hasDisk(domain) && method in without ? 'hd' : without[method]
  const device = installed ?? names[first] ?? 'hd'
  return device !== 'hd' && hasDisk(domain) ? [device, 'hd'] : [device]
}

function installSteps(
  domain: Element,
  method: Method,
  isWindows: boolean,
  { kernel, initrd, cmdline, seed }: Omit<Media, 'files'>,
  options: Said['options'],
): Pick<Built, 'install' | 'final' | 'hasInstallPhase'> {
  const changes = options.filter(({ name }) => name === 'xml').map(({ value }) => value ?? '')
  const final = domain.cloneNode(true) as Element
  const install = domain.cloneNode(true) as Element
  const { first, installs } = methods[method]
  for (const disk of elementsAt(final, './devices/disk')) {
    const medium = disk.getAttribute('data-medium')
    // Windows asks for its medium again after the first restart.
    if (medium === 'seed' || (medium === 'install' && !isWindows))
      for (const path of ['./source', './driver']) removeAt(disk, path)
  }
  for (const step of [install, final])
    for (const disk of elementsAt(step, './devices/disk')) disk.removeAttribute('data-medium')
  if (kernel !== undefined) {
    setAt(install, './os/kernel', kernel)
    setAt(install, './os/initrd', initrd)
    setAt(install, './os/cmdline', cmdline)
  }
  if (seed !== undefined) announceSeed(install)
  if (first.length > 0 || seed !== undefined)
    for (const boot of elementsAt(install, './os/boot')) boot.parentNode?.removeChild(boot)
  setBootOrder(install, first)
  setBootOrder(final, bootOrderAfter(final, method))
  setAt(install, './on_reboot', 'destroy')
  for (const change of changes) {
    applyOption(final, 'xml', change)
    applyOption(install, 'xml', change)
  }
  const hasFirstBoot = installs || seed !== undefined
  return { install: hasFirstBoot ? formatXml(install) : undefined, final: formatXml(final), hasInstallPhase: installs }
}

/** By the machine's serial number cloud-init learns where its data is before it looks for any. */
function announceSeed(domain: Element): void {
  if (!['sysinfo', undefined].includes(valueAt(domain, './os/smbios/@mode'))) return
  const serial = "./sysinfo/system/entry[@name='serial']"
  if (elementAt(domain, serial) !== undefined) return
  setAt(domain, './os/smbios/@mode', 'sysinfo')
  setAt(domain, './sysinfo/@type', 'smbios')
  setAt(domain, serial, 'ds=nocloud')
}

/** Devices that may say themselves when they are booted from. */
const bootable = ['disk', 'interface', 'hostdev', 'redirdev']

/** Unless the command line or the devices themselves say it. */
function setBootOrder(domain: Element, order: readonly string[]): void {
  if (elementAt(domain, './os/kernel') !== undefined) return
  // libvirt takes one or the other: what single devices say counts.
  const boots = bootable.flatMap((device) => elementsAt(domain, `./devices/${device}/boot`))
  if (boots.some((boot) => boot.hasAttribute('order'))) {
    while (elementAt(domain, './os/boot') !== undefined) removeAt(domain, './os/boot')
    return
  }
  if (elementsAt(domain, './os/boot').length > 0) return
  for (const device of order)
    if (device !== 'hd' || order.length === 1 || hasDisk(domain))
      addElement(ensureAt(domain, './os'), 'boot', { './@dev': device })
}

function hasDisk(domain: Element): boolean {
  return elementsAt(domain, './devices/disk').some((disk) => disk.getAttribute('device') === 'disk')
}
