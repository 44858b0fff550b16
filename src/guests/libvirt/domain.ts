/**
 * A guest as libvirt's domain XML (docs/formatdomain.html), and back. What Baton sets it sets by path in the XML that
 * stands, so that everything that others added there stays. Pure.
 */
import {
  addElement,
  childElements,
  documentOf,
  type Element,
  elementAt,
  elementsAt,
  ensureAt,
  formatXml,
  newElement,
  parseXml,
  removeAt,
  setAt,
  valueAt,
} from '../../formats/domain-xml/document.ts'
import type { GuestDefinition, GuestNetwork } from '../hypervisor.ts'
import { macOfGuest } from '../mac-address.ts'
import { withoutSeedContent } from '../seed.ts'
import type { GuestFiles } from './files.ts'
import { setHardware, usualCpu } from './hardware.ts'

/** What Baton keeps of a guest in its domain's metadata: by this element its own guests are known. */
export const markUri = 'https://baton.dev/xmlns/guest/1'
/** What it keeps beside: see `Notes`. */
export const notesUri = 'https://baton.dev/xmlns/notes/1'

/** Of its last run: host ports that it had, asked for again; whether a crash was acknowledged. */
export type Notes = {
  readonly ports?: readonly { readonly protocol: 'tcp' | 'udp'; readonly guestPort: number; readonly port: number }[]
  readonly crashSeen?: boolean
}

export type DomainHost = { readonly type: 'kvm' | 'qemu'; readonly files: GuestFiles }

/** The XML to define: `standing` is what libvirt has of this guest, if it has it. */
export function domainXml(guest: GuestDefinition, host: DomainHost, standing?: string): string {
  const domain = standing === undefined ? blankDomain(guest, host) : parseXml(standing)
  setAt(domain, './name', guest.name)
  const kib = String(Math.ceil(guest.memoryBytes / 1024))
  for (const path of ['./memory', './currentMemory']) {
    setAt(domain, path, kib)
    setAt(domain, `${path}/@unit`, 'KiB')
  }
  setAt(domain, './vcpu', String(guest.vcpus))
  removeAt(domain, './vcpu/@current')
  const before = readMetadata(domain, markUri) as GuestDefinition | undefined
  setHardware(domain, guest.hardware, before?.hardware, host.type)
  setBoot(domain, guest)
  setDisks(domain, guest, host.files)
  setNetwork(domain, guest)
  setMetadata(domain, markUri, 'guest', withoutSeedContent(guest))
  return formatXml(domain)
}

/** Six are used by a guest with one disk and a seed. */
const pcieRootPorts = 10

/** What does not depend on the definition: a machine of virtio devices with a serial console and no screen. */
function blankDomain(guest: GuestDefinition, { type, files }: DomainHost): Element {
  const domain = newElement('domain')
  const values: Readonly<Record<string, string>> = {
    './@type': type,
    './name': guest.name,
    './metadata': '',
    './memory': '0',
    './currentMemory': '0',
    './vcpu': '1',
    './os/type': 'hvm',
    './os/type/@arch': 'x86_64',
    './os/type/@machine': 'q35',
    './features/acpi': '',
    './features/apic': '',
    './cpu/@mode': usualCpu(type),
    // As the hypervisor qemu has it: the translation cache is bounded, so a guest costs little more than its memory.
    ...(type === 'qemu' ? { './features/tcg/tb-cache': '64', './features/tcg/tb-cache/@unit': 'MiB' } : {}),
    './clock/@offset': 'utc',
    './on_poweroff': 'destroy',
    './on_reboot': 'restart',
    './on_crash': 'destroy',
  }
  for (const [path, value] of Object.entries(values)) setAt(domain, path, value)
  const devices = ensureAt(domain, './devices')
  // Every device of q35 stands behind a port of its own; those that are left take what is attached later.
  addElement(devices, 'controller', { './@type': 'pci', './@index': '0', './@model': 'pcie-root' })
  for (let port = 0; port < pcieRootPorts; port += 1)
    addElement(devices, 'controller', { './@type': 'pci', './@model': 'pcie-root-port' })
  addElement(devices, 'serial', {
    './@type': 'pty',
    './log/@file': files.consoleLog,
    './log/@append': 'on',
    './target/@port': '0',
  })
  addElement(devices, 'console', { './@type': 'pty', './target/@type': 'serial' })
  addElement(devices, 'channel', {
    './@type': 'unix',
    './target/@type': 'virtio',
    './target/@name': 'org.qemu.guest_agent.0',
  })
  addElement(devices, 'memballoon', { './@model': 'virtio' })
  addElement(devices, 'rng', { './@model': 'virtio', './backend/@model': 'random', './backend': '/dev/urandom' })
  return domain
}

function setBoot(domain: Element, { boot }: GuestDefinition): void {
  const kernel = boot.kind === 'kernel' ? boot : undefined
  setAt(domain, './os/kernel', kernel?.kernel)
  setAt(domain, './os/initrd', kernel?.initrd)
  setAt(domain, './os/cmdline', kernel?.cmdline)
  const perDevice = elementsAt(domain, './devices/disk/boot').length > 0
  if (boot.kind === 'kernel' || perDevice || elementAt(domain, './os/boot') !== undefined) return
  const os = ensureAt(domain, './os')
  for (const dev of boot.disc === undefined ? ['hd'] : ['hd', 'cdrom']) addElement(os, 'boot', { './@dev': dev })
}

/** Ours have our files; those that others attached stay. */
function setDisks(domain: Element, { disks, seed, boot }: GuestDefinition, files: GuestFiles): void {
  const devices = ensureAt(domain, './devices')
  const disc = boot.kind === 'disk' ? boot.disc : undefined
  for (const disk of childElements(devices, 'disk')) {
    const file = valueAt(disk, './source/@file') ?? ''
    if (files.isDisk(file) || file === files.seed || file === disc) devices.removeChild(disk)
  }
  const free = freeTargets(domain)
  for (const [index, disk] of disks.entries())
    addElement(devices, 'disk', {
      './@type': 'file',
      './@device': 'disk',
      './driver/@name': 'qemu',
      './driver/@type': 'qcow2',
      './driver/@discard': 'unmap',
      './source/@file': files.disk(index, disk),
      './target/@dev': free[index],
      './target/@bus': 'virtio',
    })
  if (disc !== undefined)
    addElement(devices, 'disk', {
      './@type': 'file',
      './@device': 'cdrom',
      './driver/@name': 'qemu',
      './driver/@type': 'raw',
      './source/@file': disc,
      './target/@dev': 'sda',
      './target/@bus': 'sata',
      './readonly': '',
    })
  if (seed === undefined) return
  // On virtio as the disks: cloud kernels have no drivers for drives of discs.
  addElement(devices, 'disk', {
    './@type': 'file',
    './@device': 'disk',
    './driver/@name': 'qemu',
    './driver/@type': 'raw',
    './source/@file': files.seed,
    './target/@dev': free[disks.length],
    './target/@bus': 'virtio',
    './readonly': '',
  })
}

/** Names for further disks, in order. */
export function freeTargets(domain: Element): readonly string[] {
  const taken = new Set(elementsAt(domain, './devices/disk/target').map((target) => target.getAttribute('dev')))
  return 'abcdefghijklmnopqrstuvwxyz'
    .split('')
    .map((letter) => `vd${letter}`)
    .filter((dev) => !taken.has(dev))
}

/** The first interface is ours. */
function setNetwork(domain: Element, guest: GuestDefinition): void {
  const { network } = guest
  const card = ensureAt(domain, './devices/interface')
  setAt(card, './@type', network.kind)
  if (network.kind === 'bridge') setAt(card, './source/@bridge', network.bridge)
  else removeAt(card, './source')
  setAt(card, './mac/@address', macOfGuest('qemu', guest))
  setAt(card, './model/@type', 'virtio')
}

/** Metadata has at most one element of a namespace; its text is ours as JSON. */
function setMetadata(domain: Element, uri: string, name: string, value: unknown): void {
  const metadata = ensureAt(domain, './metadata')
  for (const child of childElements(metadata)) if (child.namespaceURI === uri) metadata.removeChild(child)
  const element = documentOf(metadata).createElementNS(uri, `baton:${name}`)
  element.textContent = JSON.stringify(value)
  metadata.appendChild(element)
}

/** The element that virDomainSetMetadata takes for the notes. */
export function notesXml(notes: Notes): string {
  const element = newElement('notes')
  element.textContent = JSON.stringify(notes)
  return formatXml(element).trim()
}

/** A domain's XML as a guest. `isOurs`: Baton made it. */
export type ReadDomain = {
  readonly definition: GuestDefinition
  readonly isOurs: boolean
  readonly notes: Notes
  readonly type: string
}

/** Memory, vcpus and the like are what the domain has now, whoever changed them. @throws XmlError */
export function readDomain(xml: string, autostart: boolean): ReadDomain {
  const domain = parseXml(xml)
  const recorded = readMetadata(domain, markUri) as GuestDefinition | undefined
  const common = {
    type: valueAt(domain, './@type') ?? '',
    notes: (readMetadata(domain, notesUri) as Notes | undefined) ?? {},
  }
  const seen = {
    name: valueAt(domain, './name') ?? '',
    memoryBytes: memoryBytes(domain),
    vcpus: Number(valueAt(domain, './vcpu')?.trim() ?? 1),
    autostart,
  }
  if (recorded === undefined) return { ...common, isOurs: false, definition: { ...seen, ...foreign(domain) } }
  const sameMemory = Math.ceil(recorded.memoryBytes / 1024 ** 2) === Math.ceil(seen.memoryBytes / 1024 ** 2)
  const memory = sameMemory ? recorded.memoryBytes : seen.memoryBytes
  return { ...common, isOurs: true, definition: { ...recorded, ...seen, memoryBytes: memory } }
}

function readMetadata(domain: Element, uri: string): unknown {
  const metadata = elementAt(domain, './metadata')
  const element = metadata && childElements(metadata).find(({ namespaceURI }) => namespaceURI === uri)
  if (element === undefined) return undefined
  try {
    return JSON.parse(element.textContent ?? '') as unknown
  } catch {
    return undefined // edited by hand beyond recognition: it is not ours any more
  }
}

/** Units of virScaleInteger: `KiB` when none is given, `KB` is 1000 bytes. */
function memoryBytes(domain: Element): number {
  const units = { b: 1, bytes: 1, kb: 1e3, mb: 1e6, gb: 1e9, tb: 1e12, k: 2 ** 10, m: 2 ** 20, g: 2 ** 30, t: 2 ** 40 }
  const unit = (valueAt(domain, './memory/@unit') ?? 'KiB').toLowerCase().replace('ib', '')
  return Number(valueAt(domain, './memory') ?? 0) * (units[unit as keyof typeof units] ?? 1024)
}

/** What can be said of a guest that somebody else made. */
function foreign(domain: Element): Pick<GuestDefinition, 'image' | 'boot' | 'disks' | 'network'> {
  const kernel = valueAt(domain, './os/kernel')
  const initrd = valueAt(domain, './os/initrd')
  const bridge = elementsAt(domain, './devices/interface/source').map((source) => source.getAttribute('bridge'))[0]
  const network: GuestNetwork = bridge ? { kind: 'bridge', bridge } : { kind: 'user', forwards: [] }
  return {
    image: '',
    boot:
      kernel === undefined
        ? { kind: 'disk' }
        : {
            kind: 'kernel',
            kernel,
            cmdline: valueAt(domain, './os/cmdline') ?? '',
            ...(initrd === undefined ? {} : { initrd }),
          },
    disks: [],
    network,
  }
}
