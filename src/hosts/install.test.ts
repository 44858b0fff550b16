import { expect, test } from 'vitest'
import { fakeHost } from './fake/fake.ts'
import { howToInstall, installHint } from './install.ts'

test.each([
  ['debian', 'qemu-img', 'apt-get install qemu-utils'],
  ['ubuntu', 'ovmf', 'apt-get install ovmf'],
  ['centos', 'qemu-img', 'yum install qemu-img'],
  ['rocky', 'ovmf', 'yum install edk2-ovmf'],
  ['almalinux', 'lvm', 'yum install lvm2'],
  ['arch', 'xz', 'install xz-utils, as Debian calls it'],
] as const)('on %s, %s comes by: %s', (id, tool, hint) => {
  expect(installHint(id, tool)).toBe(hint)
})

test('where a family has no such package, something else is said', () => {
  expect(installHint('rocky', 'qemu')).toContain('hypervisor: libvirt')
  expect(installHint('centos', 'mmdebstrap')).toContain('build the image on Debian')
})

test('a host is asked what it is, and one that says nothing costs no error', async () => {
  const options = { signal: AbortSignal.timeout(10_000) }
  const host = fakeHost()
  expect(await howToInstall(host, 'zstd', options)).toBe('apt-get install zstd')
  const lost = { ...host, facts: async () => Promise.reject(new Error('gone')) }
  expect(await howToInstall(lost, 'zstd', options)).toBe('install zstd, as Debian calls it')
})
