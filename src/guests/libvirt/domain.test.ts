import { describe, expect, test } from 'vitest'
import { elementsAt, parseXml, valueAt } from '../../formats/domain-xml/document.ts'
import type { GuestDefinition } from '../hypervisor.ts'
import { guestSeed } from '../seed.ts'
import { domainXml } from './domain.ts'
import { guestFiles } from './files.ts'

const files = guestFiles({ state: '/s', runtime: '/r', cache: '/c' }, 'web')
const guest: GuestDefinition = {
  name: 'web',
  memoryBytes: 1024 ** 3,
  vcpus: 1,
  image: 'f'.repeat(32),
  boot: { kind: 'disk', disc: '/c/disc.iso' },
  disks: [{ sizeBytes: 1024 ** 3 }],
  seed: guestSeed({ userData: '#cloud-config\npassword: XYZZY\n' }),
  network: { kind: 'user', forwards: [] },
  autostart: false,
}

/** What each disk of the domain is: its file, how the guest has it, and whether it may write. */
function disksOf(xml: string): string[] {
  return elementsAt(parseXml(xml), './devices/disk').map((disk) =>
    [
      valueAt(disk, './source/@file'),
      valueAt(disk, './@device'),
      valueAt(disk, './target/@dev'),
      ...(elementsAt(disk, './readonly').length === 0 ? [] : ['read-only']),
    ].join(' '),
  )
}

describe('what is chosen of a machine', () => {
  const host = { type: 'qemu', files } as const
  // Written twice: disks come last then, and stay there.
  const plain = domainXml(guest, host, domainXml(guest, host))
  const hardware = {
    firmware: 'uefi',
    cpu: 'Nehalem',
    graphics: { type: 'spice', listen: '::1', port: 5930 },
  } as const
  const chosen = domainXml({ ...guest, hardware }, host, plain)
  const valuesOf = (xml: string, ...at: string[]): (string | undefined)[] =>
    at.map((path) => valueAt(parseXml(xml), path))

  test('is set in a domain that stands', () => {
    const paths = ['./os/@firmware', './cpu/@mode', './cpu/model', './devices/graphics/@type']
    expect(valuesOf(chosen, ...paths)).toEqual(['efi', 'custom', 'Nehalem', 'spice'])
    expect(valuesOf(chosen, './devices/graphics/@port', './devices/graphics/listen/@address')).toEqual(['5930', '::1'])
    expect(domainXml({ ...guest, hardware }, host, chosen)).toBe(chosen)
  })

  test('is the usual again when it is chosen no longer', () => {
    expect(domainXml(guest, host, chosen)).toBe(plain)
  })

  test('is left alone where others chose and the file does not', () => {
    const others = plain.replace('mode="maximum"', 'mode="host-model"')
    expect(others).not.toBe(plain)
    expect(domainXml(guest, host, others)).toBe(others)
  })
})

describe('a domain with a disc and a seed', () => {
  const host = { type: 'qemu', files } as const
  const xml = domainXml(guest, host)

  test('boots from its disk before the disc, and has the seed as another disk', () => {
    expect(elementsAt(parseXml(xml), './os/boot').map((boot) => boot.getAttribute('dev'))).toEqual(['hd', 'cdrom'])
    expect(disksOf(xml)).toEqual([
      '/s/libvirt/web-disk0.qcow2 disk vda',
      '/c/disc.iso cdrom sda read-only',
      '/s/libvirt/web-seed.iso disk vdb read-only',
    ])
  })

  test('does not say what cloud-init is told: whoever may look at it could read it', () => {
    expect(xml).not.toContain('XYZZY')
    expect(xml).toContain(guest.seed?.digest)
  })

  test('written again it is the same, and a seed that is not wanted any more goes', () => {
    expect(disksOf(domainXml(guest, host, xml))).toEqual(disksOf(xml))
    const { seed: _seed, ...without } = guest
    expect(disksOf(domainXml(without, host, xml))).toEqual(disksOf(xml).slice(0, 2))
  })
})
