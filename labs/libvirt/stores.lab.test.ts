/** Storage pools, volumes and networks by commands, at a libvirtd that may make bridges of its own, and as virsh sees them. */
import { execFile } from 'node:child_process'
import { stat } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { type Baton, openBaton } from '../hello/baton.ts'
import { type LibvirtDaemon, startLibvirt } from './daemon.ts'

const run = promisify(execFile)
let daemon: LibvirtDaemon
let baton: Baton
let directory: string

beforeAll(async () => {
  daemon = await startLibvirt({ ownNetwork: true })
  baton = openBaton(daemon.within)
  Object.assign(baton.environment, { LIBVIRT_DEFAULT_URI: daemon.uri })
  directory = join(baton.directory, 'pool')
})
afterAll(async () => {
  await baton[Symbol.asyncDispose]()
  await daemon[Symbol.asyncDispose]()
})

async function virsh(...words: readonly string[]): Promise<string> {
  return (await run('virsh', ['-c', daemon.uri, '-q', ...words])).stdout
}

async function done(...words: readonly string[]): Promise<void> {
  const { code, stdout, stderr } = await baton.run(...words)
  expect(code, `baton ${words.join(' ')}\n${stdout}${stderr}`).toBe(0)
}

/** What it is refused with; nothing may have changed. */
async function refused(...words: readonly string[]): Promise<string> {
  const before = await seen()
  const { code, stderr } = await baton.run(...words)
  expect(code, `baton ${words.join(' ')}\n${stderr}`).toBe(1)
  expect(await seen(), words.join(' ')).toEqual(before)
  return stderr
}

async function seen(): Promise<readonly string[]> {
  const volumes = await virsh('vol-list', 'disks').catch(() => '')
  return [await virsh('pool-list', '--all'), await virsh('net-list', '--all'), volumes]
}

describe('storage pools', () => {
  test('are made, seen by virsh, started and stopped, and forgotten with what lies in them kept', async () => {
    await done('pool', 'create', 'disks', '--dir', directory, '--autostart')
    expect(await virsh('pool-list', '--all', '--name')).toContain('disks')
    expect(await baton.json('pool', 'list')).toMatchObject([
      { name: 'disks', kind: 'dir', path: directory, isActive: true, autostart: true },
    ])
    await done('pool', 'stop', 'disks')
    await done('pool', 'no-autostart', 'disks')
    expect(await virsh('pool-info', 'disks')).toMatch(/State:\s+inactive[\s\S]*Autostart:\s+no/)
    expect(await refused('volume', 'list', 'disks')).toContain('baton pool start disks')
    await done('pool', 'start', 'disks')
    await done('pool', 'start', 'disks')
  })

  test('that cannot be are refused before anything is changed', async () => {
    expect(await refused('pool', 'create', 'disks', '--dir', '/elsewhere')).toContain('there is a pool disks')
    expect(await refused('pool', 'create', 'more', '--dir', directory)).toContain('is the pool disks')
    expect(await refused('pool', 'create', 'more', '--dir', 'here')).toContain('no absolute path')
    expect(await refused('pool', 'create', '../more', '--dir', '/x')).toContain('letters, digits')
    expect(await refused('pool', 'create', 'more')).toContain('--volume-group')
    expect(await refused('pool', 'create', 'more', '--volume-group', 'no-such-group')).toContain('libvirt says')
    expect(await refused('pool', 'start', 'other')).toContain('there is disks')
  })
})

describe('volumes', () => {
  test('are made, over others too, and get another size', async () => {
    await done('volume', 'create', 'disks', 'base.qcow2', '64M')
    await done('volume', 'create', 'disks', 'over.qcow2', '--backing', 'base.qcow2')
    await done('volume', 'create', 'disks', 'plain.img', '8M', '--format', 'raw')
    expect(await baton.json('volume', 'list', 'disks')).toMatchObject([
      { name: 'base.qcow2', format: 'qcow2', sizeBytes: 64 * 1024 ** 2 },
      { name: 'over.qcow2', backing: join(directory, 'base.qcow2'), sizeBytes: 64 * 1024 ** 2 },
      { name: 'plain.img', format: 'raw', sizeBytes: 8 * 1024 ** 2 },
    ])
    await done('volume', 'resize', 'disks', 'over.qcow2', '128M')
    await done('volume', 'resize', 'disks', 'plain.img', '4M', '--shrink')
    const info = await run('qemu-img', ['info', '--output=json', join(directory, 'over.qcow2')])
    expect(JSON.parse(info.stdout)).toMatchObject({
      'virtual-size': 128 * 1024 ** 2,
      'backing-filename': join(directory, 'base.qcow2'),
      'backing-filename-format': 'qcow2',
    })
    expect((await stat(join(directory, 'plain.img'))).size).toBe(4 * 1024 ** 2)
  })

  test('are copied whole, and deleted', async () => {
    await done('volume', 'clone', 'disks', 'over.qcow2', 'copy.qcow2')
    const info = await run('qemu-img', ['info', '--output=json', join(directory, 'copy.qcow2')])
    expect(JSON.parse(info.stdout)).not.toHaveProperty('backing-filename')
    await done('volume', 'delete', 'disks', 'copy.qcow2')
    expect(await virsh('vol-list', 'disks')).not.toContain('copy.qcow2')
  })

  test('that are in use, or would be lost, are left alone', async () => {
    const path = join(directory, 'over.qcow2')
    const xml = `<domain type='qemu'><name>user</name><memory>65536</memory><os><type>hvm</type></os><devices>
      <disk type='file' device='disk'><source file='${path}'/><target dev='vda' bus='virtio'/></disk></devices></domain>`
    await run('sh', ['-c', `printf %s "$1" | virsh -c "$2" define /dev/stdin`, 'sh', xml, daemon.uri])
    expect(await refused('volume', 'delete', 'disks', 'over.qcow2')).toContain('the guest user has it')
    await virsh('undefine', 'user')
    expect(await refused('volume', 'delete', 'disks', 'base.qcow2')).toContain('delete over.qcow2 first')
    expect(await refused('volume', 'resize', 'disks', 'base.qcow2', '32M')).toContain('--shrink')
    expect(await refused('volume', 'create', 'disks', 'base.qcow2', '32M')).toContain('one of this name')
    expect(await refused('volume', 'create', 'disks', 'new.qcow2')).toContain('size is not known')
    expect(await refused('volume', 'create', 'disks', 'new.qcow2', '32')).toContain('32 is no size')
    expect(
      await refused('volume', 'create', 'disks', 'new.raw', '1M', '--format', 'raw', '--backing', 'base.qcow2'),
    ).toContain('qcow2')
    expect(await refused('volume', 'clone', 'disks', 'nothing', 'copy')).toContain('has no volume nothing')
    await done('pool', 'delete', 'disks')
    expect((await stat(path)).isFile()).toBe(true)
    expect(await baton.json('pool', 'list')).toEqual([])
  })
})

describe('networks', () => {
  test('with NAT give leases, and are bridges of the host while they are active', async () => {
    const leases = ['--leases', '192.168.150.10-192.168.150.99']
    await done('network', 'create', 'inner', '--nat', '192.168.150.1/24', ...leases)
    expect(await baton.json('network', 'list')).toMatchObject([
      { name: 'inner', kind: 'nat', address: '192.168.150.1/24', isActive: true, autostart: false },
    ])
    const bridge = (await virsh('net-info', 'inner')).match(/Bridge:\s+(\S+)/)?.[1] ?? ''
    const [program, ...words] = [...daemon.within, 'ip', '-4', 'address', 'show', bridge]
    expect((await run(program, words)).stdout).toContain('192.168.150.1/24')
    expect(await baton.json('network', 'leases', 'inner')).toEqual([])
    await done('network', 'stop', 'inner')
    await done('network', 'autostart', 'inner')
    await done('network', 'start', 'inner')
    expect(await virsh('net-info', 'inner')).toMatch(/Active:\s+yes[\s\S]*Autostart:\s+yes/)
  })

  test('are also bridges that are there', async () => {
    const [program, ...words] = [...daemon.within, 'ip', 'link', 'add', 'br77', 'type', 'bridge']
    await run(program, words)
    await done('network', 'create', 'lan', '--bridge', 'br77')
    expect(await virsh('net-dumpxml', 'lan')).toContain("<bridge name='br77'/>")
  })

  test('that cannot be are refused before anything is changed', async () => {
    expect(await refused('network', 'create', 'lan', '--nat', '10.9.0.1/24')).toContain('there is a network lan')
    expect(await refused('network', 'create', 'n', '--nat', '192.168.150.129/25')).toContain(
      'those of the network inner',
    )
    expect(await refused('network', 'create', 'n', '--nat', '10.9.0.0/24')).toContain('the network itself')
    expect(await refused('network', 'create', 'n', '--nat', '10.9.0.1/24', '--leases', '10.9.0.1-10.9.0.9')).toContain(
      'own address',
    )
    expect(
      await refused('network', 'create', 'n', '--isolated', '10.9.0.1/24', '--leases', '10.9.0.9-10.9.0.8'),
    ).toContain('no range')
    expect(await refused('network', 'create', 'n', '--bridge', 'br99')).toMatch(/it has .*br77/)
    expect(await refused('network', 'create', 'n', '--bridge', 'br77', '--nat', '10.9.0.1/24')).toContain('say one of')
    for (const name of ['lan', 'inner']) await done('network', 'delete', name)
    expect(await baton.json('network', 'list')).toEqual([])
  })
})
