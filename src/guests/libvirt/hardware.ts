/** What of a domain's machine is chosen: its firmware, its processor, its screen. What is not chosen stays as others made it. Pure. */
import { addElement, type Element, elementAt, ensureAt, removeAt, setAt } from '../../formats/domain-xml/document.ts'
import type { GuestGraphics, GuestHardware } from '../hypervisor.ts'

/** Words of libvirt that are no names of models. */
const cpuModes = ['host-passthrough', 'host-model', 'maximum']

export const usualCpu = (type: 'kvm' | 'qemu'): string => (type === 'kvm' ? 'host-passthrough' : 'maximum')

/** `before`: what was chosen when the domain was defined last. What is no longer chosen becomes the usual again. */
export function setHardware(
  domain: Element,
  hardware: GuestHardware = {},
  before: GuestHardware = {},
  type: 'kvm' | 'qemu' = 'qemu',
): void {
  if (hardware.firmware !== before.firmware) setFirmware(domain, hardware.firmware === 'uefi')
  if (hardware.cpu !== before.cpu) setCpu(domain, hardware.cpu ?? usualCpu(type))
  if (JSON.stringify(hardware.graphics) !== JSON.stringify(before.graphics))
    setGraphics(domain, hardware.graphics, before.graphics)
}

/** libvirt chooses the image by the descriptors of its host. Without Secure Boot: no keys are anybody's here. */
function setFirmware(domain: Element, isUefi: boolean): void {
  for (const path of ['./os/loader', './os/nvram', './os/firmware']) removeAt(domain, path)
  setAt(domain, './os/@firmware', isUefi ? 'efi' : undefined)
  if (isUefi) setAt(domain, "./os/firmware/feature[@name='secure-boot']/@enabled", 'no')
}

/** Topology and features that others gave it stay. */
function setCpu(domain: Element, cpu: string): void {
  const isMode = cpuModes.includes(cpu)
  for (const path of ['./cpu/model', './cpu/@match', './cpu/@check', './cpu/@migratable']) removeAt(domain, path)
  setAt(domain, './cpu/@mode', isMode ? cpu : 'custom')
  if (isMode) return
  setAt(domain, './cpu/@match', 'exact')
  setAt(domain, './cpu/model', cpu)
  setAt(domain, './cpu/model/@fallback', 'forbid')
}

/** The first screen of its kind is ours, and so is the card that came with it. */
function setGraphics(domain: Element, graphics: GuestGraphics | undefined, before: GuestGraphics | undefined): void {
  if (before !== undefined) removeAt(domain, `./devices/graphics[@type='${before.type}']`)
  if (graphics === undefined) return removeAt(domain, './devices/video')
  const { type, listen, port } = graphics
  addElement(ensureAt(domain, './devices'), 'graphics', {
    './@type': type,
    './@port': port === undefined ? '-1' : String(port),
    './@autoport': port === undefined ? 'yes' : 'no',
    './listen/@type': 'address',
    './listen/@address': listen,
  })
  if (elementAt(domain, './devices/video') === undefined) setAt(domain, './devices/video/model/@type', 'vga')
}
