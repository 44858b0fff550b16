import { setTimeout as sleep } from 'node:timers/promises'
import { expect, test } from 'vitest'
import { fakeHost } from '../../hosts/fake/fake.ts'
import type { Host } from '../../hosts/host.ts'
import type { GuestDefinition } from '../hypervisor.ts'
import { guestPaths } from './paths.ts'
import { untilPoweredOff } from './power.ts'

const definition: GuestDefinition = {
  name: 'slow',
  memoryBytes: 64 * 1024 ** 2,
  vcpus: 1,
  image: 'f'.repeat(32),
  boot: { kind: 'kernel', kernel: '/boot/vmlinuz', cmdline: '' },
  disks: [],
  network: { kind: 'user', forwards: [] },
  autostart: false,
}

test('a deadline that passes while the host is slow to answer is one error, and the caller has it', async () => {
  const paths = guestPaths(fakeHost().directories, 'slow')
  const host: Host = {
    ...fakeHost(),
    readFile: async () => {
      await sleep(60)
      return new TextEncoder().encode(`qemu\0${paths.pid}\0`)
    },
  }
  const unheard: unknown[] = []
  const onUnheard = (error: unknown): void => void unheard.push(error)
  process.on('unhandledRejection', onUnheard)
  try {
    const guest = { definition, paths, state: 'running', pid: 17 } as const
    const waiting = untilPoweredOff(host, guest, { signal: AbortSignal.timeout(10) })
    await expect(waiting).rejects.toMatchObject({ code: 'timeout' })
    expect(unheard).toEqual([])
  } finally {
    process.off('unhandledRejection', onUnheard)
  }
})
