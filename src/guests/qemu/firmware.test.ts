import { describe, expect, test } from 'vitest'
import { fakeHost } from '../../hosts/fake/fake.ts'
import { findFlash, flashOf } from './firmware.ts'

const ovmf = {
  'interface-types': ['uefi'],
  mapping: {
    device: 'flash',
    executable: { filename: '/f/code.fd', format: 'raw' },
    'nvram-template': { filename: '/f/vars.fd', format: 'raw' },
  },
  targets: [{ architecture: 'x86_64', machines: ['pc-i440fx-*', 'pc-q35-*'] }],
  features: ['acpi-s3'],
}
const flash = { code: '/f/code.fd', format: 'raw', variables: { filename: '/f/vars.fd', format: 'raw' } }

describe('UEFI from the descriptors of packages', () => {
  test('is code with a template of variables', () => {
    expect(flashOf(ovmf)).toEqual(flash)
  })

  test.each([
    ['BIOS', { 'interface-types': ['bios'] }],
    ['system management mode', { features: ['requires-smm'] }],
    ['keys of somebody', { features: ['enrolled-keys'] }],
    ['another machine', { targets: [{ architecture: 'x86_64', machines: ['microvm'] }] }],
    ['another processor', { targets: [{ architecture: 'aarch64', machines: ['virt-*'] }] }],
    ['no flash', { mapping: { device: 'memory' } }],
    ['nothing known', { mapping: undefined, targets: undefined }],
  ])('is not %s', (_what, change) => {
    expect(flashOf({ ...ovmf, ...change } as typeof ovmf)).toBeUndefined()
  })

  test('comes from the first file that fits, the administrator’s before the packages’', async () => {
    const host = fakeHost()
    const options = { signal: AbortSignal.timeout(5_000) }
    await expect(findFlash(host, options)).rejects.toMatchObject({ code: 'missing-tool' })
    const write = (path: string, value: object): Promise<void> => host.writeFile(path, JSON.stringify(value), options)
    const code = (filename: string): object => ({
      ...ovmf,
      mapping: { ...ovmf.mapping, executable: { filename, format: 'raw' } },
    })
    await write('/usr/share/qemu/firmware/40-smm.json', { ...ovmf, features: ['requires-smm'] })
    await write('/usr/share/qemu/firmware/60-b.json', code('/b'))
    await write('/usr/share/qemu/firmware/50-a.json', code('/a'))
    expect((await findFlash(host, options)).code).toBe('/a')
    await write('/etc/qemu/firmware/99-own.json', code('/own'))
    expect((await findFlash(host, options)).code).toBe('/own')
  })
})
