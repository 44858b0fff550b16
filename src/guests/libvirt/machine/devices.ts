/** Disks and interfaces that come to a guest and go, while it runs or not. */
import { anySignal } from '../../../deadline.ts'
import { InfraError } from '../../../errors.ts'
import {
  type Element,
  elementsAt,
  formatXml,
  newElement,
  parseXml,
  setAt,
  valueAt,
} from '../../../formats/domain-xml/document.ts'
import { abortError } from '../../../hosts/local/failures.ts'
import type { CallOptions } from '../../hypervisor.ts'
import { randomMac } from '../../mac-address.ts'
import type { AttachedDevice, DiskDevice, MachineDevice, NetworkDevice } from '../../machine.ts'
import { type Connection, lossOf } from '../connection.ts'
import { freeTargets } from '../domain.ts'
import { onDomainEvent } from '../domain-events.ts'
import type { GuestFiles } from '../files.ts'
import { type Domain, type Known, xmlInactive } from '../observe.ts'

/** virDomainModificationImpact. */
const affect = { live: 1, config: 2 } as const

/** Those of its definition are not told: they are its own. */
export async function attachedDevices(
  connection: Connection,
  { domain }: Known,
  files: GuestFiles,
  options: CallOptions,
): Promise<readonly AttachedDevice[]> {
  const [xml] = await connection.call('domainGetXmlDesc', [domain, xmlInactive], options)
  const devices = parseXml(xml)
  const disks = elementsAt(devices, './devices/disk').filter((disk) => !files.isDisk(sourceOf(disk)))
  const [_own, ...cards] = elementsAt(devices, './devices/interface')
  return [
    ...disks.map((disk): AttachedDevice => {
      const target = valueAt(disk, './target/@dev')
      return { kind: 'disk', name: sourceOf(disk) || (target ?? ''), ...(target === undefined ? {} : { target }) }
    }),
    ...cards.map((card): AttachedDevice => ({ kind: 'network', name: valueAt(card, './mac/@address') ?? '' })),
  ]
}

function sourceOf(disk: Element): string {
  return valueAt(disk, './source/@file') ?? valueAt(disk, './source/@dev') ?? ''
}

export async function attachDevice(
  connection: Connection,
  { domain, isActive }: Known,
  device: MachineDevice,
  options: CallOptions,
): Promise<AttachedDevice> {
  const [xml] = await connection.call('domainGetXmlDesc', [domain, isActive ? 0 : xmlInactive], options)
  const standing = parseXml(xml)
  const element = device.kind === 'disk' ? diskElement(device, standing, domain.name) : cardElement(device)
  const flags = affect.config | (isActive ? affect.live : 0)
  await connection.call('domainAttachDeviceFlags', [domain, formatXml(element), flags], options)
  if (device.kind === 'network') return { kind: 'network', name: valueAt(element, './mac/@address') ?? '' }
  return { kind: 'disk', name: device.path, target: valueAt(element, './target/@dev') ?? '' }
}

/** @throws InfraError `already-exists` for a file that the guest has already */
export function diskElement({ path, format, isReadOnly }: DiskDevice, domain: Element, guest: string): Element {
  if (elementsAt(domain, './devices/disk').some((disk) => sourceOf(disk) === path))
    throw new InfraError('already-exists', `attach ${path}: ${guest} has it already`, { subject: path })
  const isBlock = path.startsWith('/dev/')
  const disk = newElement('disk')
  const values = {
    './@type': isBlock ? 'block' : 'file',
    './@device': 'disk',
    './driver/@name': 'qemu',
    './driver/@type': format,
    [`./source/@${isBlock ? 'dev' : 'file'}`]: path,
    './target/@dev': freeTargets(domain)[0],
    './target/@bus': 'virtio',
    './readonly': isReadOnly ? '' : undefined,
  }
  for (const [at, value] of Object.entries(values)) if (value !== undefined) setAt(disk, at, value)
  return disk
}

export function cardElement(device: NetworkDevice): Element {
  const card = newElement('interface')
  const [type, name] =
    'bridge' in device
      ? ['bridge', device.bridge]
      : 'network' in device
        ? ['network', device.network]
        : ['user', undefined]
  setAt(card, './@type', type)
  setAt(card, './mac/@address', randomMac('qemu'))
  if (name !== undefined) setAt(card, `./source/@${type}`, name)
  setAt(card, './model/@type', 'virtio')
  return card
}

/** A guest that runs lets it go when it likes: libvirt says when it has (VIR_DOMAIN_EVENT_ID_DEVICE_REMOVED). */
export async function detachDevice(
  connection: Connection,
  { domain, isActive }: Known,
  name: string,
  options: CallOptions,
): Promise<void> {
  const find = async (flags: number): Promise<Element | undefined> => {
    const [xml] = await connection.call('domainGetXmlDesc', [domain, flags], options)
    return [...elementsAt(parseXml(xml), './devices/disk'), ...elementsAt(parseXml(xml), './devices/interface')].find(
      (one) => [sourceOf(one), valueAt(one, './target/@dev'), valueAt(one, './mac/@address')].includes(name),
    )
  }
  const recorded = await find(xmlInactive)
  const live = isActive ? await find(0) : undefined
  if (recorded === undefined && live === undefined)
    throw new InfraError('not-found', `${domain.name} has no disk or interface ${name}`, {
      subject: domain.name,
      hint: `\`baton attach list ${domain.name}\` shows what was attached`,
    })
  if (live !== undefined) await letGo(connection, domain, live, async () => (await find(0)) === undefined, options)
  if (recorded !== undefined)
    await connection.call('domainDetachDeviceFlags', [domain, formatXml(recorded), affect.config], options)
}

async function letGo(
  connection: Connection,
  domain: Domain,
  device: Element,
  isGone: () => Promise<boolean>,
  options: CallOptions,
): Promise<void> {
  const alias = valueAt(device, './alias/@name')
  const gone = new AbortController()
  const ignore = await onDomainEvent(connection, 'domainDeviceRemoved', ([, { name }, removed]) => {
    if (name === domain.name && removed === alias) gone.abort()
  })
  const signal = anySignal(gone.signal, options.signal, connection.lost)
  try {
    await connection.call('domainDetachDeviceFlags', [domain, formatXml(device), affect.live], options)
    if (await isGone()) return
    if (!signal.aborted)
      await new Promise<void>((resolve) => signal.addEventListener('abort', () => resolve(), { once: true }))
  } finally {
    ignore()
  }
  if (gone.signal.aborted) return
  if (connection.lost.aborted) throw lossOf(connection.lost, `detach ${alias} from ${domain.name}`)
  const { code, message, subject } = abortError(options.signal, `detach ${alias} from ${domain.name}`, domain.name)
  throw new InfraError(code, message, {
    subject,
    hint: 'the guest still uses it: unmount the disk, take the interface down',
  })
}
