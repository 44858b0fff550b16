import { describe, expect, test } from 'vitest'
import { clonedDefinition } from './clone.ts'
import type { GuestDefinition } from './hypervisor.ts'
import { macOfGuest } from './mac-address.ts'

const guest: GuestDefinition = {
  name: 'web-1',
  mark: { cluster: 'shop', pool: 'web' },
  memoryBytes: 128 * 1024 ** 2,
  vcpus: 1,
  image: 'x',
  boot: { kind: 'kernel', kernel: '/k', cmdline: 'quiet baton.name=web-1 panic=-1' },
  disks: [],
  network: { kind: 'user', forwards: [] },
  autostart: true,
}

describe('a clone', () => {
  test('is nobody’s, has another name and hardware address, and does not start by itself', () => {
    const clone = clonedDefinition(guest, 'twin')
    expect(clone).toEqual({
      ...guest,
      name: 'twin',
      mark: undefined,
      boot: { kind: 'kernel', kernel: '/k', cmdline: 'quiet baton.name=twin panic=-1' },
      autostart: false,
    })
    expect(macOfGuest('qemu', clone)).not.toBe(macOfGuest('qemu', guest))
  })

  test.each([
    ['../twin', guest, 'invalid'],
    ['', guest, 'invalid'],
    ['twin', { ...guest, network: { kind: 'bridge', bridge: 'br0', address: '10.0.0.5/24' } }, 'unsupported'],
  ] as const)('%j is refused', (to, source, code) => {
    expect(() => clonedDefinition(source, to)).toThrow(expect.objectContaining({ code }) as Error)
  })
})
