/** What a device is in all that its option does not say. */
import { type Element, elementsAt, setAt, valueAt } from '../../formats/domain-xml/document.ts'

/** Of the guest: what its devices follow. */
export type DeviceDefaults = { readonly video: string; readonly sound: string; readonly hasGl: boolean }

type Complete = (device: Element, defaults: DeviceDefaults) => void

/** `default` leaves it to us. */
const isSaid = (device: Element, path: string): boolean => !['', 'default'].includes(valueAt(device, path) ?? '')

function fill(device: Element, values: Readonly<Record<string, string | undefined>>): void {
  for (const [path, value] of Object.entries(values))
    if (value !== undefined && !isSaid(device, path)) setAt(device, path, value)
}

const buses: Readonly<Record<string, string | undefined>> = { tablet: 'usb', evdev: undefined }

const completions: Readonly<Record<string, Complete>> = {
  input(device) {
    fill(device, { './@type': 'mouse' })
    const type = device.getAttribute('type') ?? ''
    fill(device, { './@bus': type in buses ? buses[type] : 'ps2' })
  },
  video(device, { video, hasGl }) {
    fill(device, { './model/@type': video })
    if (hasGl && valueAt(device, './model/@type') === 'virtio') fill(device, { './model/acceleration/@accel3d': 'yes' })
  },
  sound: (device, { sound }) => fill(device, { './@model': sound }),
  redirdev: (device) => fill(device, { './@bus': 'usb', './@type': 'spicevmc' }),
  watchdog: (device) => fill(device, { './@model': 'i6300esb', './@action': 'reset' }),
  memballoon: (device) => fill(device, { './@model': 'virtio' }),
  hostdev: (device) => fill(device, { './@mode': 'subsystem', './@managed': 'yes' }),
  smartcard(device) {
    fill(device, { './@mode': 'passthrough' })
    fill(device, { './@type': device.getAttribute('mode') === 'passthrough' ? 'spicevmc' : 'tcp' })
  },
  tpm(device) {
    fill(device, { './backend/@type': isSaid(device, './backend/device/@path') ? 'passthrough' : 'emulator' })
    const isFree = valueAt(device, './backend/@type') === 'emulator' && !isSaid(device, './backend/@version')
    if (isFree) fill(device, { './@model': 'tpm-crb' })
  },
  rng(device) {
    fill(device, { './@model': 'virtio' })
    if (isSaid(device, './backend')) fill(device, { './backend/@model': 'random' })
  },
  panic(device) {
    if (isSaid(device, './address/@iobase')) fill(device, { './address/@type': 'isa' })
    fill(device, { './@model': 'isa' })
  },
  vsock(device) {
    fill(device, { './@model': 'virtio' })
    if (!isSaid(device, './cid/@address')) fill(device, { './cid/@auto': 'yes' })
  },
  filesystem(device) {
    const isShared = valueAt(device, './driver/@type') === 'virtiofs'
    fill(device, { './@type': 'mount', './@accessmode': isShared ? undefined : 'mapped' })
  },
}

/** All that there are, also those that were given. */
export function completeDevices(devices: Element, defaults: DeviceDefaults): void {
  for (const [name, complete] of Object.entries(completions))
    for (const device of elementsAt(devices, `./${name}`)) complete(device, defaults)
}

const emptiable = ['./cpu', './memoryBacking', './sysinfo', './devices/memory', './devices/controller']

/** What an option has begun, and then had nothing to say. */
export function removeEmpty(domain: Element): void {
  for (const element of emptiable.flatMap((path) => elementsAt(domain, path)))
    if (element.attributes.length === 0 && element.childNodes.length === 0) element.parentNode?.removeChild(element)
}
