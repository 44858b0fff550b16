import { copyFile, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { bootPlain } from '../../../labs/images/plain-guest.ts'
import { isInfraError } from '../../errors.ts'
import type { Host } from '../../hosts/host.ts'
import { localHost } from '../../hosts/local/local.ts'
import { type ImageStore, imageStore } from './store.ts'
import { readyMark } from './tiny-init.ts'

const within = (ms = 60_000): { signal: AbortSignal } => ({ signal: AbortSignal.timeout(ms) })
const bootMs = 60_000

/** A boot sector that says this on the serial port and halts (8086: lodsb, out to 3f8, until a zero). */
function bootSector(text: string): Uint8Array {
  const program = Buffer.from('31c08ed8be157cbaf803ac84c07403eeebf8f4ebfd', 'hex')
  const sector = Buffer.alloc(1024 * 1024)
  program.copy(sector)
  sector.write(`${text}\0`, program.length, 'latin1')
  sector.writeUInt16LE(0xaa55, 510)
  return sector
}

describe('images from files', () => {
  let directory = ''
  let host: Host
  let store: ImageStore
  const qemuImg = async (...args: string[]): Promise<void> => {
    const result = await host.run(['qemu-img', ...args], { ...within(), directory })
    expect(result.stderr).toBe('')
  }
  const complaint = async (path: string): Promise<string> => {
    const error = await store.build('d', { kind: 'disk', path }, within()).catch((error: unknown) => error)
    return isInfraError(error, 'invalid') ? error.message : `not refused as invalid: ${String(error)}`
  }

  beforeAll(async () => {
    directory = await mkdtemp(join(tmpdir(), 'baton-files-'))
    host = localHost({ directories: { runtime: directory, state: directory, cache: join(directory, 'cache') } })
    store = imageStore(host)
    await writeFile(join(directory, 'disk.raw'), bootSector('this disk boots'))
    await qemuImg('convert', '-f', 'raw', '-O', 'qcow2', 'disk.raw', 'disk.qcow2')
  })
  afterAll(() => rm(directory, { recursive: true, force: true }))

  test.each(['raw', 'qcow2'] as const)('a %s disk boots, and its format and size are known', async (format) => {
    const image = await store.build('d', { kind: 'disk', path: join(directory, `disk.${format}`) }, within())
    expect(image.disk).toMatchObject({ format, sizeBytes: 1024 * 1024 })
    await using guest = await bootPlain(image, { name: 'd', memory: '64M', network: false })
    await guest.says('this disk boots', bootMs)
  })

  test('a disk over another disk is refused, with the way out', async () => {
    await qemuImg('create', '-q', '-f', 'qcow2', '-b', 'disk.qcow2', '-F', 'qcow2', 'overlay.qcow2')
    const path = join(directory, 'overlay.qcow2')
    expect(await complaint(path)).toBe(`${path} keeps a part of its content in disk.qcow2`)
  })

  test('a disk that would take a file of the host into the guest is refused', async () => {
    await qemuImg('create', '-q', '-u', '-f', 'qcow2', '-b', '/etc/hostname', '-F', 'raw', 'thief.qcow2', '1M')
    expect(await complaint(join(directory, 'thief.qcow2'))).toContain('keeps a part of its content in /etc/hostname')
  })

  test('a disk with its data in another file is refused', async () => {
    await qemuImg('create', '-q', '-f', 'qcow2', '-o', 'data_file=data.raw,data_file_raw=on', 'split.qcow2', '1M')
    expect(await complaint(join(directory, 'split.qcow2'))).toMatch(
      /keeps a part of its content in|is not a disk image/,
    )
  })

  test('a raw disk that was cut to a qcow2 header is not one', async () => {
    const path = join(directory, 'cut.qcow2')
    await writeFile(path, (await readFile(join(directory, 'disk.qcow2'))).subarray(0, 100))
    expect(await complaint(path)).toContain('is not a disk image')
  })

  test('a kernel with its initrd boots, and a later change of the files changes nothing', async () => {
    const tiny = await imageStore(localHost()).build('tiny', { kind: 'tiny' }, within(240_000))
    const [kernel, initrd] = [join(directory, 'vmlinuz'), join(directory, 'initrd')]
    await copyFile(tiny.kernel ?? '', kernel)
    await copyFile(tiny.initrd ?? '', initrd)
    const image = await store.build('k', { kind: 'kernel', kernel, initrd, cmdline: tiny.cmdline ?? '' }, within())
    await writeFile(kernel, 'not a kernel any more')
    await rm(initrd)
    await using guest = await bootPlain(image, { name: 'k-1', memory: '128M' })
    await guest.says(`${readyMark}: k-1`, bootMs)
  })
})
