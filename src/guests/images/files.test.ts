import { mkdtemp, rm, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { isInfraError } from '../../errors.ts'
import { localHost } from '../../hosts/local/local.ts'
import { fileDigests } from './file-digests.ts'
import { diskFormat } from './files.ts'

const hex = (text: string): string => Buffer.from(text, 'latin1').toString('hex')

describe('disk format', () => {
  test.each([
    { name: 'qcow2 is known by its magic', path: '/d.img', head: hex('QFI\xfb\0\0\0\x03'), format: 'qcow2' },
    { name: 'a disk with a boot sector is raw', path: '/d.img', head: 'eb63'.padEnd(1024, '0'), format: 'raw' },
    { name: 'a disk of zeroes is raw', path: '/d', head: '0'.repeat(1024), format: 'raw' },
  ])('$name', ({ path, head, format }) => {
    expect(diskFormat(path, head)).toBe(format)
  })

  test.each([
    { name: 'an empty file', path: '/d', head: '', says: 'is empty' },
    { name: 'a VMware disk', path: '/d', head: hex('KDMV'), says: 'VMware' },
    { name: 'a VMware description', path: '/d', head: hex('# Disk DescriptorFile\n'), says: 'VMware' },
    { name: 'a VHDX disk', path: '/d', head: hex('vhdxfile'), says: 'VHDX' },
    { name: 'a VirtualBox disk', path: '/d', head: `${'00'.repeat(64)}7f10dabe`, says: 'VirtualBox' },
    { name: 'a gzip file', path: '/d.qcow2.gz', head: '1f8b08', says: 'compressed' },
    { name: 'an xz file', path: '/d', head: 'fd377a585a0000', says: 'compressed' },
    { name: 'an error page', path: '/d.qcow2', head: hex('\n<!DOCTYPE html>'), says: 'web page' },
    { name: 'a raw disk that is called qcow2', path: '/d.qcow2', head: 'eb63', says: 'whatever its name' },
  ])('$name is refused', ({ path, head, says }) => {
    expect(() => diskFormat(path, head)).toThrow(says)
  })
})

describe('file digests', () => {
  const signal = AbortSignal.timeout(20_000)
  let directory = ''
  beforeAll(async () => {
    directory = await mkdtemp(join(tmpdir(), 'baton-digests-'))
  })
  afterAll(() => rm(directory, { recursive: true, force: true }))

  const hostIn = (cache: string) =>
    localHost({ directories: { runtime: directory, state: directory, cache: join(directory, cache) } })

  test('files are hashed in their order, through links, with names of any kind', async () => {
    const [odd, other, link] = [join(directory, "it's\n a $file"), join(directory, 'b'), join(directory, 'link')]
    await writeFile(odd, 'abc')
    await writeFile(other, '', { mode: 0o755 })
    await symlink(odd, link)
    expect(await fileDigests(hostIn('c1'), [odd, other, link, odd], signal)).toMatchObject([
      { sha256: 'ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad' },
      { sha256: 'e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855', mode: '755' },
      { sha256: 'ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad' },
      { sha256: 'ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad' },
    ])
  })

  test('a directory is no file to make an image from', async () => {
    const asked = fileDigests(hostIn('c3'), [directory], signal)
    await expect(asked).rejects.toSatisfy((error) => isInfraError(error, 'invalid'))
  })
})
