import { describe, expect, test } from 'vitest'
import type { BuiltImage } from '../../guests/images/image.ts'
import type { PlannedGuest } from '../plan/plan.ts'
import { guestDefinition } from './definition.ts'

const gibibyte = 1024 ** 3
const kernel: BuiltImage = { digest: 'd1', kernel: '/c/vmlinuz', initrd: '/c/initrd', cmdline: 'console=ttyS0' }
const disk: BuiltImage = { digest: 'd2', disk: { path: '/c/disk.qcow2', format: 'qcow2', sizeBytes: gibibyte } }

const guest = (changes: Partial<PlannedGuest> = {}): PlannedGuest => ({
  name: 'web-1',
  mark: { cluster: 'shop', pool: 'web' },
  memoryBytes: gibibyte,
  vcpus: 1,
  image: 'tiny',
  imageSpec: { kind: 'tiny' },
  network: { kind: 'user', forwards: [] },
  autostart: false,
  ...changes,
})

describe('a planned guest with its image', () => {
  test('the digest takes the place of the name, and the kernel is told who it is', () => {
    const definition = guestDefinition(guest(), kernel)
    expect(definition).toEqual({
      name: 'web-1',
      mark: { cluster: 'shop', pool: 'web' },
      memoryBytes: gibibyte,
      vcpus: 1,
      image: 'd1',
      boot: {
        kind: 'kernel',
        kernel: '/c/vmlinuz',
        initrd: '/c/initrd',
        cmdline: 'console=ttyS0 baton.name=web-1',
      },
      disks: [],
      network: { kind: 'user', forwards: [] },
      autostart: false,
    })
  })

  test.each([
    { address: '10.0.0.7/24', gateway: '10.0.0.1', words: 'ip=10.0.0.7::10.0.0.1:255.255.255.0:web-1:eth0:off' },
    { address: '10.0.0.7/9', gateway: undefined, words: 'ip=10.0.0.7:::255.128.0.0:web-1:eth0:off' },
    { address: '10.0.0.7/32', gateway: undefined, words: 'ip=10.0.0.7:::255.255.255.255:web-1:eth0:off' },
    { address: '10.0.0.7/0', gateway: undefined, words: 'ip=10.0.0.7:::0.0.0.0:web-1:eth0:off' },
  ])('a fixed address $address goes to the kernel as $words', ({ address, gateway, words }) => {
    const network = { kind: 'bridge', bridge: 'br0', address, ...(gateway === undefined ? {} : { gateway }) } as const
    expect(guestDefinition(guest({ network }), kernel).boot).toMatchObject({
      cmdline: `console=ttyS0 baton.name=web-1 ${words}`,
    })
  })

  test.each([
    {
      name: "an image's disk is the base of the guest's own",
      image: disk,
      size: undefined,
      disks: [{ base: { path: '/c/disk.qcow2', format: 'qcow2' } }],
    },
    {
      name: 'a larger disk is asked for with its size',
      image: disk,
      size: 2 * gibibyte,
      disks: [{ base: { path: '/c/disk.qcow2', format: 'qcow2' }, sizeBytes: 2 * gibibyte }],
    },
    {
      name: 'a kernel image with a disk size gets an empty disk',
      image: kernel,
      size: gibibyte,
      disks: [{ sizeBytes: gibibyte }],
    },
  ])('$name', ({ image, size, disks }) => {
    const definition = guestDefinition(guest(size === undefined ? {} : { diskBytes: size }), image)
    expect(definition.disks).toEqual(disks)
    expect(definition).not.toHaveProperty('diskBytes')
    expect(definition).not.toHaveProperty('imageSpec')
  })

  test('a disk image boots from its disk', () => {
    expect(guestDefinition(guest(), disk).boot).toEqual({ kind: 'disk' })
  })
})
