/**
 * One file brings up two guests behind a service: one boots a kernel directly, one has a disk and a seed as cloud images
 * do. On a libvirtd of its own one is renewed under load, all seen by virsh; on QEMU the file gives the same service.
 */
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { localHost } from '../../src/hosts/local/local.ts'
import { underLoad } from '../cluster/load.ts'
import { request } from '../guests/world.ts'
import { type Baton, freePort, openBaton } from '../hello/baton.ts'
import { storeOtherTiny } from '../images/tiny.ts'
import { type LibvirtDaemon, startLibvirt } from './daemon.ts'

let daemon: LibvirtDaemon
let baton: Baton
let port: number

beforeAll(async () => {
  daemon = await startLibvirt()
  baton = openBaton(['env', `LIBVIRT_DEFAULT_URI=${daemon.uri}`])
  port = await freePort()
  await storeOtherTiny(baton, 'renewed')
})
afterAll(async () => {
  await baton[Symbol.asyncDispose]()
  await daemon[Symbol.asyncDispose]()
})

function writeSpec(hypervisor: 'libvirt' | 'qemu'): string {
  const file = join(baton.directory, 'baton.yaml')
  writeFileSync(
    file,
    `
name: shop
hosts:
  here: { hypervisor: ${hypervisor} }
images: { other: { stored: renewed } }
guests:
  direct: { image: tiny, memory: 96M, drain: 10s }
  cloud:
    image: tiny
    memory: 96M
    disk: 32M
    drain: 10s
    cloud-init: { user-data: "#!/bin/sh\\necho seeded $$(hostname) > /www/seed" }
services:
  www:
    address: 127.0.0.1:${port}
    scheduler: rr
    servers: [{ guests: direct, port: 80 }, { guests: cloud, port: 80 }]
    check: { http: /healthz, every: 300ms, timeout: 5s, rise: 1, fall: 3 }
directors: { engine: userspace }
`,
  )
  return file
}

async function succeed(...args: readonly string[]): Promise<string> {
  const { code, stdout, stderr } = await baton.run(...args)
  expect(code, `baton ${args.join(' ')}\n${stdout}${stderr}`).toBe(0)
  return stdout
}

async function virsh(...words: readonly string[]): Promise<string> {
  const signal = AbortSignal.timeout(30_000)
  return (await localHost().run(['virsh', '-c', daemon.uri, ...words], { signal })).stdout
}

const namesIn = (list: string): string[] => list.split('\n').filter((name) => name !== '')

/** What clients of the service are told, all guests together. */
async function answers(): Promise<string[]> {
  const found = new Set<string>()
  for (const path of ['/', '/seed'])
    for (let count = 0; count < 4; count += 1) found.add((await request({ address: '127.0.0.1', port }, path)).trim())
  return [...found].filter((text) => !text.includes('404')).sort()
}

const service = ['hello from cloud', 'hello from direct', 'seeded cloud']

describe('one file', () => {
  test('brings up two guests on libvirt, renews one with no failed request, and takes them away, seen by virsh', async () => {
    const file = writeSpec('libvirt')
    await succeed('up', file)
    expect(await answers()).toEqual(service)
    expect(namesIn(await virsh('list', '--name')).sort()).toEqual(['cloud', 'direct'])
    expect(await virsh('domblklist', 'cloud')).toMatch(/vda .*\.qcow2\n.*vdb .*seed\.iso\n/)
    expect(await virsh('domblklist', 'direct')).not.toContain('vd')
    const before = await virsh('domuuid', 'direct')

    const { requests, errors } = await underLoad(port, async () => {
      await succeed('roll', 'cloud', '--image', 'other', '--file', file)
    })
    expect(errors).toEqual([])
    expect(requests).toBeGreaterThan(100)
    console.log(`${requests} requests while libvirt's guest was renewed, 0 failed`)
    const renewed = '<cmdline>console=ttyS0 quiet baton.name='
    expect(await virsh('dumpxml', 'cloud')).toContain(renewed)
    expect(await virsh('dumpxml', 'direct')).not.toContain(renewed)
    expect(await virsh('domuuid', 'direct')).toBe(before)
    expect(await answers()).toEqual(service)

    await succeed('down', file)
    expect(namesIn(await virsh('list', '--all', '--name'))).toEqual([])
  })

  test('with nothing but `hypervisor: qemu` in it gives the same service', async () => {
    const file = writeSpec('qemu')
    await succeed('up', file)
    expect(await answers()).toEqual(service)
    await succeed('down', file)
    expect(baton.processes()).toEqual([])
  })
})
