/** A planned guest with its built image: what the hypervisor is given. Pure. */
import type { GuestBoot, GuestDefinition, GuestDisk } from '../../guests/hypervisor.ts'
import type { BuiltImage } from '../../guests/images/image.ts'
import { guestSeed } from '../../guests/seed.ts'
import type { PlannedGuest } from '../plan/plan.ts'

export function guestDefinition(guest: PlannedGuest, image: BuiltImage): GuestDefinition {
  const { imageSpec: _spec, seed, diskBytes, swapBytes, diskDirectory, diskVolumeGroup, ...rest } = guest
  const place = {
    ...(diskDirectory === undefined ? {} : { directory: diskDirectory }),
    ...(diskVolumeGroup === undefined ? {} : { volumeGroup: diskVolumeGroup }),
  }
  const disks = disksOf(image, { ...(diskBytes === undefined ? {} : { sizeBytes: diskBytes }), ...place })
  if (swapBytes !== undefined) disks.push({ sizeBytes: swapBytes, isSwap: true, ...place })
  const boot = bootOf(guest, image)
  return { ...rest, image: image.digest, boot, disks, ...(seed === undefined ? {} : { seed: guestSeed(seed) }) }
}

/** The guest learns its name, and a fixed address, from its kernel's command line. */
function bootOf({ name, network }: PlannedGuest, { kernel, initrd, cmdline, disc }: BuiltImage): GuestBoot {
  if (kernel === undefined) return { kind: 'disk', ...(disc === undefined ? {} : { disc }) }
  const words = [cmdline ?? '', `baton.name=${name}`]
  if (network.kind === 'bridge' && network.address !== undefined)
    words.push(fixedAddress(name, network.address, network.gateway))
  return {
    kind: 'kernel',
    kernel,
    ...(initrd === undefined ? {} : { initrd }),
    cmdline: words.filter((word) => word !== '').join(' '),
  }
}

/** `ip=` as the kernel's nfsroot.rst has it: address, server, gateway, netmask, name, device, no autoconfiguration. */
function fixedAddress(name: string, cidr: string, gateway: string | undefined): string {
  const [address = '', bits = '24'] = cidr.split('/')
  const mask = Number(bits) === 0 ? 0 : (0xffffffff << (32 - Number(bits))) >>> 0
  const netmask = [24, 16, 8, 0].map((shift) => (mask >>> shift) & 255).join('.')
  return `ip=${address}::${gateway ?? ''}:${netmask}:${name}:eth0:off`
}

function disksOf({ disk }: BuiltImage, own: Omit<GuestDisk, 'base'>): GuestDisk[] {
  if (disk !== undefined) return [{ base: { path: disk.path, format: disk.format }, ...own }]
  return own.sizeBytes === undefined ? [] : [own]
}
