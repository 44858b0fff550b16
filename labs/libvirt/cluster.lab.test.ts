import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { localHost } from '../../src/hosts/local/local.ts'
import { request } from '../guests/world.ts'
import { type Baton, freePort, openBaton } from '../hello/baton.ts'
import { type LibvirtDaemon, startLibvirt } from './daemon.ts'

let daemon: LibvirtDaemon
let baton: Baton
let port: number
let file: string

beforeAll(async () => {
  daemon = await startLibvirt()
  baton = openBaton(['env', `LIBVIRT_DEFAULT_URI=${daemon.uri}`])
  port = await freePort()
  file = join(baton.directory, 'baton.yaml')
  const spec = `
name: shop
hosts:
  here: { hypervisor: libvirt }
guests:
  web: { count: 2, image: tiny, memory: 96M, cloud-init: { user-data: "#!/bin/sh\\necho seeded $$(hostname) > /www/seed" } }
services:
  www:
    address: 127.0.0.1:${port}
    scheduler: rr
    servers: [{ guests: web, port: 80 }]
    check: { http: /, every: 1s, timeout: 5s }
directors: { engine: userspace }
`
  await writeFile(file, spec)
})
afterAll(async () => {
  await baton.run('down', file)
  await baton[Symbol.asyncDispose]()
  await daemon[Symbol.asyncDispose]()
})

async function virshNames(): Promise<string[]> {
  const { stdout } = await localHost().run(['virsh', '-c', daemon.uri, 'list', '--name'], {
    signal: AbortSignal.timeout(30_000),
  })
  return stdout.split('\n').filter((name) => name !== '')
}

describe('one file on libvirt', () => {
  test('brings up two guests behind a service, seen by virsh too, and takes them away', async () => {
    const up = await baton.run('up', file)
    expect(up).toMatchObject({ code: 0 })
    const names = new Set<string>()
    for (let count = 0; count < 4; count += 1) names.add((await request({ address: '127.0.0.1', port })).trim())
    expect(names.size).toBe(2)
    expect((await virshNames()).sort()).toEqual(['web-1', 'web-2'])
    const seeds = new Set<string>()
    for (let count = 0; count < 4; count += 1)
      seeds.add((await request({ address: '127.0.0.1', port }, '/seed')).trim())
    expect([...seeds].sort()).toEqual(['seeded web-1', 'seeded web-2'])
    expect(await baton.run('down', file)).toMatchObject({ code: 0 })
    expect(await virshNames()).toEqual([])
  })
})
