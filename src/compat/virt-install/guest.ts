/** What a domain gets that the command line does not name: by the operating system, the machine, and what else it has. */
import {
  addElement,
  childElements,
  documentOf,
  type Element,
  elementAt,
  elementsAt,
  ensureAt,
  setAt,
  valueAt,
} from '../../formats/domain-xml/document.ts'
import { completeDevices, removeEmpty } from './device-defaults.ts'
import { assignTargets } from './disks.ts'
import type { OsFacts } from './osinfo.ts'
import { Refusal } from './refusal.ts'

export type Machine = {
  readonly virtType: 'kvm' | 'qemu'
  readonly emulator: string
  /** The first security model of the host's libvirt: what labels are of that name none. */
  readonly securityModel?: string | undefined
  /** What `pc` is called in full. */
  readonly pc: string
  readonly os: OsFacts | undefined
  readonly arch: string
  readonly machine: string | undefined
  /** PCI Express ports for devices that come later, where their number was given. */
  readonly rootPorts: number | undefined
  /** Options that were given, also as `none`. */
  readonly given: ReadonlySet<string>
}

const pci = (vendor: string, device: string): string => `http://pcisig.com/pci/${vendor}/${device}`
const modernNet = pci('1af4', '1041')
/** virtio devices have a legacy and a modern number. */
const devices = {
  block: [pci('1af4', '1001'), pci('1af4', '1042')],
  net: [pci('1af4', '1000'), pci('1af4', '1041')],
  console: [pci('1af4', '1003'), pci('1af4', '1043')],
  balloon: [pci('1af4', '1002'), pci('1af4', '1045')],
  rng: [pci('1af4', '1005'), pci('1af4', '1044')],
  gpu: [pci('1af4', '1050')],
  qxl: [pci('1b36', '0100')],
  e1000: [pci('8086', '100e')],
  e1000e: [pci('8086', '10d3')],
  xhci: [pci('1b36', '0004')],
  q35: ['http://qemu.org/chipset/x86/q35'],
} as const

export type Defaults = {
  readonly isQ35: boolean
  readonly supports: (device: keyof typeof devices) => boolean
}

export function defaultsOf({ os, machine, given }: Machine): Defaults {
  const supports: Defaults['supports'] = (device) => devices[device].some((id) => os?.devices.has(id) === true)
  // One that knows virtio only by its legacy numbers finds no card on a PCI Express bus.
  const isModern = supports('q35') && (!supports('net') || os?.devices.has(modernNet) === true)
  const isQ35 = machine === undefined ? isModern && !given.has('machine') : /q35/.test(machine)
  return { isQ35, supports }
}

/** Everything that does not depend on how it is installed. */
export function completeGuest(domain: Element, at: Machine): void {
  const defaults = defaultsOf(at)
  const devicesElement = ensureAt(domain, './devices')
  setAt(domain, './@type', valueAt(domain, './@type') ?? at.virtType)
  if (at.os !== undefined) setOsMetadata(domain, at.os)
  setSystem(domain, at, defaults)
  if (elementAt(devicesElement, './emulator') === undefined) setAt(devicesElement, './emulator', at.emulator)
  completeDisplay(domain, devicesElement, at)
  completeNetwork(devicesElement, at, defaults)
  assignTargets(elementsAt(devicesElement, './disk'), (device) => busOf(device, defaults))
  completeControllers(devicesElement, at, defaults)
  completeCharacterDevices(devicesElement, at, defaults)
  completeOthers(devicesElement, at, defaults)
  const sound = defaults.isQ35 ? 'ich9' : 'ich6'
  const hasGl = elementsAt(devicesElement, './graphics').some((one) => valueAt(one, './gl/@enable') === 'yes')
  completeDevices(devicesElement, { video: videoModel(devicesElement, defaults), sound, hasGl })
  removeEmpty(domain)
}

function busOf(device: string, { isQ35, supports }: Defaults): string {
  if (device === 'floppy') return 'fdc'
  if (device === 'disk' && supports('block')) return 'virtio'
  return isQ35 ? 'sata' : 'ide'
}

function setOsMetadata(domain: Element, { id }: OsFacts): void {
  const uri = 'http://libosinfo.org/xmlns/libvirt/domain/1.0'
  const document = documentOf(domain)
  const outer = document.createElementNS(uri, 'libosinfo:libosinfo')
  const inner = document.createElementNS(uri, 'libosinfo:os')
  inner.setAttribute('id', id)
  outer.appendChild(inner)
  ensureAt(domain, './metadata').appendChild(outer)
}

function setSystem(domain: Element, at: Machine, { isQ35 }: Defaults): void {
  const type = ensureAt(domain, './os/type')
  if (!type.hasAttribute('arch')) type.setAttribute('arch', at.arch)
  if (!type.hasAttribute('machine')) type.setAttribute('machine', at.machine ?? (isQ35 ? 'q35' : at.pc))
  if ((type.textContent ?? '') === '') type.textContent = 'hvm'
  const isFirmwareSaid =
    valueAt(domain, './os/@firmware') ?? elementAt(domain, './os/loader') ?? elementAt(domain, './os/kernel')
  if (at.os?.needsUefi === true && isFirmwareSaid === undefined) setAt(domain, './os/@firmware', 'efi')
  const features = ensureAt(domain, './features')
  for (const name of ['acpi', 'apic']) if (!at.given.has(`features.${name}`)) ensureAt(features, `./${name}`)
  if (at.arch === 'i686' && !at.given.has('features.pae')) ensureAt(features, './pae')
  if (at.os?.isWindows === true) {
    for (const name of ['relaxed', 'vapic', 'spinlocks'])
      if (valueAt(features, `./hyperv/${name}/@state`) === undefined) setAt(features, `./hyperv/${name}/@state`, 'on')
    if (valueAt(features, './hyperv/spinlocks/@retries') === undefined)
      setAt(features, './hyperv/spinlocks/@retries', '8191')
  }
  if (at.virtType === 'kvm' && elementAt(domain, './cpu') === undefined)
    setAt(domain, './cpu/@mode', 'host-passthrough')
  setClock(domain, at)
  completeLabels(domain, at.securityModel)
  checkLaunchSecurity(domain)
  for (const name of ['suspend-to-mem', 'suspend-to-disk'])
    if (valueAt(domain, `./pm/${name}/@enabled`) === undefined) setAt(domain, `./pm/${name}/@enabled`, 'no')
}

/** @throws Refusal: memory is encrypted from UEFI on. */
function checkLaunchSecurity(domain: Element): void {
  if (valueAt(domain, './launchSecurity/@type') !== 'sev') return
  const hasUefi = valueAt(domain, './os/@firmware') === 'efi' || valueAt(domain, './os/loader/@type') === 'pflash'
  if (!hasUefi || !/q35/.test(valueAt(domain, './os/type/@machine') ?? ''))
    throw new Refusal('SEV launch security requires a Q35 UEFI machine (--machine q35 --boot uefi)')
}

function completeLabels(domain: Element, securityModel: string | undefined): void {
  for (const label of elementsAt(domain, './seclabel')) {
    if (!label.hasAttribute('model') && !label.hasAttribute('type')) continue
    if (!label.hasAttribute('type')) label.setAttribute('type', 'dynamic')
    const said = valueAt(label, './label')
    const model = label.getAttribute('model') ?? (said === undefined ? securityModel : modelOfLabel(said))
    if (model !== undefined) label.setAttribute('model', model)
  }
  const about = elementAt(domain, './sysinfo')
  if (about === undefined) return
  if (about.childNodes.length > 0 && !about.hasAttribute('type')) about.setAttribute('type', 'smbios')
  if (about.getAttribute('type') === 'smbios') setAt(domain, './os/smbios/@mode', 'sysinfo')
}

/** Labels of SELinux have three parts or more, those of users and groups two. */
function modelOfLabel(label: string): string | undefined {
  const parts = label.split(':').length
  return parts >= 3 ? 'selinux' : parts === 2 ? 'dac' : undefined
}

/** Timers that were given are all that there are. */
function setClock(domain: Element, { os }: Machine): void {
  const clock = ensureAt(domain, './clock')
  if (!clock.hasAttribute('offset')) clock.setAttribute('offset', os?.isWindows === true ? 'localtime' : 'utc')
  if (childElements(clock, 'timer').length > 0) return
  setAt(clock, "./timer[@name='rtc']/@tickpolicy", 'catchup')
  setAt(clock, "./timer[@name='pit']/@tickpolicy", 'delay')
  setAt(clock, "./timer[@name='hpet']/@present", 'no')
  if (os?.isWindows === true) setAt(clock, "./timer[@name='hypervclock']/@present", 'yes')
}

function graphicsTypes(devicesElement: Element): readonly (string | null)[] {
  return elementsAt(devicesElement, './graphics').map((one) => one.getAttribute('type'))
}

function completeDisplay(domain: Element, devicesElement: Element, at: Machine): void {
  if (!at.given.has('graphics')) addElement(devicesElement, 'graphics', { './@type': 'spice' })
  for (const one of elementsAt(devicesElement, './graphics'))
    if (!one.hasAttribute('type')) one.setAttribute('type', 'spice')
  const types = graphicsTypes(devicesElement)
  const hasSpice = types.includes('spice')
  for (const one of elementsAt(devicesElement, './graphics')) completeGraphics(one)
  if (types.length === 0) return
  if (hasSpice && valueAt(domain, './features/vmport/@state') === undefined)
    setAt(domain, './features/vmport/@state', 'off')
  const hasUsb = !elementsAt(devicesElement, './controller').some(isNoUsb)
  if (hasUsb && !at.given.has('input')) addElement(devicesElement, 'input', { './@type': 'tablet', './@bus': 'usb' })
  if (!at.given.has('video')) addElement(devicesElement, 'video')
  if (!hasSpice) return
  if (!at.given.has('sound')) addElement(devicesElement, 'sound')
  if (hasUsb && !at.given.has('redirdev'))
    for (let count = 0; count < 2; count += 1)
      addElement(devicesElement, 'redirdev', { './@bus': 'usb', './@type': 'spicevmc' })
}

function videoModel(devicesElement: Element, { supports }: Defaults): string {
  if (supports('gpu')) return 'virtio'
  return graphicsTypes(devicesElement).includes('spice') ? 'qxl' : 'vga'
}

function isNoUsb(controller: Element): boolean {
  return controller.getAttribute('type') === 'usb' && controller.getAttribute('model') === 'none'
}

function listensNowhere(graphics: Element): boolean {
  return ['none', 'socket'].includes(valueAt(graphics, './listen/@type') ?? '')
}

/** A port that is not given is chosen when the guest starts. */
function completeGraphics(graphics: Element): void {
  const type = graphics.getAttribute('type')
  if (type === 'spice') {
    const isFixed = graphics.hasAttribute('port') || graphics.hasAttribute('tlsPort')
    if (!isFixed && !listensNowhere(graphics)) {
      graphics.setAttribute('port', '-1')
      graphics.setAttribute('tlsPort', '-1')
      graphics.setAttribute('autoport', 'yes')
    }
    if (elementAt(graphics, './image') === undefined) setAt(graphics, './image/@compression', 'off')
  }
  if (type === 'vnc' && !graphics.hasAttribute('port') && !listensNowhere(graphics)) graphics.setAttribute('port', '-1')
}

function completeNetwork(devicesElement: Element, at: Machine, { isQ35, supports }: Defaults): void {
  if (!at.given.has('network'))
    addElement(devicesElement, 'interface', { './@type': 'network', './source/@network': 'default' })
  const model = supports('net') ? 'virtio' : isQ35 ? 'e1000e' : 'e1000'
  for (const card of elementsAt(devicesElement, './interface')) {
    if (card.getAttribute('type') === 'default') {
      card.setAttribute('type', 'network')
      setAt(card, './source/@network', valueAt(card, './source/@network') ?? 'default')
    }
    if (!card.hasAttribute('type')) card.setAttribute('type', 'bridge')
    if (valueAt(card, './model/@type') === undefined) setAt(card, './model/@type', model)
  }
}

/** Room for devices that come later: a PCI Express port takes one. */
const rootPorts = 14

function completeControllers(devicesElement: Element, at: Machine, defaults: Defaults): void {
  const standing = elementsAt(devicesElement, './controller')
  const has = (type: string): boolean => standing.some((one) => one.getAttribute('type') === type)
  const buses = elementsAt(devicesElement, './disk/target').map((target) => target.getAttribute('bus'))
  if (!has('usb')) (defaults.supports('xhci') ? addUsb3 : addUsb2)(devicesElement)
  if (buses.includes('scsi') && !has('scsi'))
    addElement(devicesElement, 'controller', { './@type': 'scsi', './@model': 'virtio-scsi' })
  if (!defaults.isQ35 || has('pci') || at.rootPorts === 0) return
  addElement(devicesElement, 'controller', { './@type': 'pci', './@model': 'pcie-root' })
  for (let count = 0; count < (at.rootPorts ?? rootPorts); count += 1)
    addElement(devicesElement, 'controller', { './@type': 'pci', './@model': 'pcie-root-port' })
}

export function addUsb3(devicesElement: Element): void {
  addElement(devicesElement, 'controller', { './@type': 'usb', './@model': 'qemu-xhci', './@ports': '15' })
}

/** A fast controller and its three slow companions. */
export function addUsb2(devicesElement: Element): void {
  addElement(devicesElement, 'controller', { './@type': 'usb', './@model': 'ich9-ehci1' })
  for (const [index, port] of ['0', '2', '4'].entries())
    addElement(devicesElement, 'controller', {
      './@type': 'usb',
      './@model': `ich9-uhci${index + 1}`,
      './master/@startport': port,
    })
}

function completeCharacterDevices(devicesElement: Element, at: Machine, { supports }: Defaults): void {
  if (!at.given.has('serial') && !at.given.has('console')) addElement(devicesElement, 'console', { './@type': 'pty' })
  for (const channel of elementsAt(devicesElement, './channel')) completeChannel(channel)
  const channels = elementsAt(devicesElement, './channel')
  if (at.given.has('channel') && channels.length === 0) return
  const hasSpice = channels.some((channel) => channel.getAttribute('type') === 'spicevmc')
  // Who asks for a channel gets that one.
  if (channels.length === 0 && supports('console') && at.os?.isWindows !== true)
    completeChannel(
      addElement(devicesElement, 'channel', { './@type': 'unix', './target/@name': 'org.qemu.guest_agent.0' }),
    )
  if (!hasSpice && graphicsTypes(devicesElement).includes('spice'))
    completeChannel(addElement(devicesElement, 'channel', { './@type': 'spicevmc' }))
}

function completeChannel(channel: Element): void {
  const type = channel.getAttribute('type')
  if (valueAt(channel, './target/@type') === undefined) setAt(channel, './target/@type', 'virtio')
  if ((type === 'spicevmc' || type === 'qemu-vdagent') && valueAt(channel, './target/@name') === undefined)
    setAt(channel, './target/@name', 'com.redhat.spice.0')
  if (type === 'unix' && valueAt(channel, './source/@mode') === undefined) setAt(channel, './source/@mode', 'bind')
}

function completeOthers(devicesElement: Element, at: Machine, { supports }: Defaults): void {
  if (!at.given.has('memballoon') && supports('balloon'))
    addElement(devicesElement, 'memballoon', { './@model': 'virtio' })
  if (!at.given.has('rng') && supports('rng'))
    addElement(devicesElement, 'rng', {
      './@model': 'virtio',
      './backend/@model': 'random',
      './backend': '/dev/urandom',
    })
}
