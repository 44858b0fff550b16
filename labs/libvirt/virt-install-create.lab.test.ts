import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import { imageStore } from '../../src/guests/images/store.ts'
import { localHost } from '../../src/hosts/local/local.ts'
import { encodeDisc } from '../../src/wire/iso9660.ts'
import { type Baton, type Ended, openBaton } from '../hello/baton.ts'
import { type LibvirtDaemon, startLibvirt } from './daemon.ts'
import { meaningOf } from './meaning.ts'

const host = localHost()
const soon = (): { signal: AbortSignal } => ({ signal: AbortSignal.timeout(120_000) })

let daemon: LibvirtDaemon
let baton: Baton
let directory: string

/** Where the daemon is. */
async function run(...command: readonly string[]): Promise<Ended> {
  return host.run([...daemon.within, 'sh', '-c', 'cd "$0" && exec "$@"', directory, ...command], soon())
}

async function virsh(...words: readonly string[]): Promise<string> {
  const { code, stdout, stderr } = await run('virsh', ...words)
  if (code !== 0) throw new Error(`virsh ${words.join(' ')}: ${stderr}`)
  return stdout
}

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'baton-virt-install-'))
  daemon = await startLibvirt()
  baton = openBaton([...daemon.within, 'sh', '-c', 'cd "$0" && exec "$@"', directory])
  const { kernel = '', initrd = '' } = await imageStore(localHost()).build('tiny', { kind: 'tiny' }, soon())
  const files = { vmlinuz: await readOf(kernel), 'initrd.gz': await readOf(initrd) }
  await mkdir(join(directory, 'tree/install.amd'), { recursive: true })
  for (const [name, content] of Object.entries(files))
    await writeFile(join(directory, 'tree/install.amd', name), content)
  const small = [
    { name: 'linux', content: files.vmlinuz },
    { name: 'initrd.gz', content: files['initrd.gz'] },
  ]
  await writeFile(join(directory, 'install.iso'), encodeDisc('INSTALL', small))
  await writeFile(join(directory, 'user-data'), '#cloud-config\n')
  await writeFile(join(directory, 'init'), '#!/bin/busybox sh\n/bin/busybox poweroff -f\n', { mode: 0o755 })
  await run('qemu-img', 'create', '-q', '-f', 'qcow2', 'disk.qcow2', '64M')
})
afterEach(async () => {
  await run('virsh', 'destroy', 'a')
  await run('virsh', 'undefine', 'a')
  for (const file of ['a.qcow2', 'a.img']) await run('virsh', 'vol-delete', file, 'default')
})
afterAll(async () => {
  await baton[Symbol.asyncDispose]()
  await daemon[Symbol.asyncDispose]()
  await rm(directory, { recursive: true, force: true })
})

async function readOf(path: string): Promise<Uint8Array> {
  return (await host.readFile(path, soon())) ?? new Uint8Array(0)
}

const plain = '--name a --memory 96 --osinfo generic --virt-type qemu --network user'.split(' ')

type Outcome = { readonly code: number | null; readonly state: string; readonly meaning: readonly string[][] }

/** How the guest stands: what is kept of it, what runs, and its volumes. */
async function outcome(code: number | null): Promise<Outcome> {
  const text = async (...words: readonly string[]): Promise<string> => (await run('virsh', ...words)).stdout
  const state = (await text('domstate', '--reason', 'a')).trim()
  const xml = [
    await text('dumpxml', '--inactive', 'a'),
    ...(state.startsWith('running') ? [await text('dumpxml', 'a')] : []),
  ]
  const volume = (await text('vol-dumpxml', 'a.qcow2', 'default')).match(/<(capacity|format|compat|lazy)[^\n]*/g) ?? []
  return { code, state, meaning: [...xml.filter((one) => one.trim() !== '').map(stable), volume] }
}

/** Without what the daemon gives out one after the other. */
function stable(xml: string): string[] {
  return meaningOf(xml.replaceAll(/\/dev\/pts\/\d+/g, '/dev/pts/N'))
}

const lines: readonly string[] = [
  '--import --disk size=0.05 --graphics none --noautoconsole',
  '--import --disk disk.qcow2 --graphics vnc --noautoconsole --noreboot --autostart',
  '--cdrom install.iso --disk size=0.05,format=raw --graphics none --noautoconsole',
  '--location install.iso,kernel=linux,initrd=initrd.gz --disk none --graphics none --noautoconsole --extra-args quiet',
  '--import --disk disk.qcow2 --graphics none --noautoconsole --cloud-init user-data=user-data',
  '--import --disk size=0.05 --network network=nothing --graphics none --noautoconsole',
]

describe('virt-install itself and Baton make the same guest at libvirt of', () => {
  test.each(lines)('%s', async (line) => {
    const words = [...plain, ...line.replaceAll('install.iso', `${directory}/install.iso`).split(' ')]
    const theirs = await outcome((await run('virt-install', ...words)).code)
    await run('virsh', 'destroy', 'a')
    await run('virsh', 'undefine', 'a')
    for (const file of ['a.qcow2', 'a.img']) await run('virsh', 'vol-delete', file, 'default')
    const { code, stderr } = await baton.run('virt-install', ...words)
    expect({ ...(await outcome(code)), stderr }).toEqual({ ...theirs, stderr: expect.anything() as string })
    expect(await run('ls', '/var/lib/libvirt/boot')).toMatchObject({ stdout: '' })
  })
})

describe('an installation', () => {
  test('is waited for, and what it made is started', async () => {
    const installer = ['--location', 'tree', '--initrd-inject', 'init', '--extra-args', 'console=ttyS0']
    const { code, stdout } = await baton.run(
      'virt-install',
      ...plain,
      ...installer,
      ...'--disk size=0.05 --graphics none --autoconsole none --wait'.split(' '),
    )
    expect(stdout).toMatch(
      /Waiting for the installation to complete\.\nDomain has shutdown\. Continuing\.\nDomain creation completed\.\nRestarting guest\./,
    )
    expect(code).toBe(0)
    expect((await virsh('domstate', 'a')).trim()).toBe('running')
    expect(await virsh('dumpxml', 'a')).not.toContain('<kernel>')
  })

  test('whose time is over is left alone, and said', async () => {
    const { code, stdout } = await baton.run(
      'virt-install',
      ...plain,
      '--pxe',
      '--disk',
      'none',
      '--graphics',
      'none',
      '--autoconsole',
      'none',
      '--wait',
      '0.01',
    )
    expect(stdout).toContain('Installation has exceeded specified time limit.')
    expect(code).toBe(1)
    expect((await virsh('domstate', 'a')).trim()).toBe('running')
  })
})
