/** What a file chooses of a guest's machine is what the guest finds, on QEMU and on libvirt: UEFI, a processor, a screen. */
import { writeFileSync } from 'node:fs'
import { connect } from 'node:net'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { localHost } from '../../src/hosts/local/local.ts'
import { request } from '../guests/world.ts'
import { freePort, openBaton } from '../hello/baton.ts'
import { type LibvirtDaemon, startLibvirt } from './daemon.ts'

let daemon: LibvirtDaemon
beforeAll(async () => {
  daemon = await startLibvirt()
})
afterAll(async () => {
  await daemon[Symbol.asyncDispose]()
})

/** A port that the schema takes for a screen. */
async function screenPort(): Promise<number> {
  const port = await freePort()
  return port < 5900 ? screenPort() : port
}

/** How an RFB server begins (RFC 6143 §7.1.1). */
async function greetingAt(port: number): Promise<string> {
  return new Promise((resolve, reject) => {
    const socket = connect(port, '127.0.0.1').setTimeout(10_000, () => socket.destroy(new Error('no greeting')))
    socket.once('error', reject).once('data', (chunk) => {
      socket.destroy()
      resolve(chunk.toString('latin1'))
    })
  })
}

async function dumpXml(guest: string): Promise<string> {
  const signal = AbortSignal.timeout(30_000)
  return (await localHost().run(['virsh', '-c', daemon.uri, 'dumpxml', guest], { signal })).stdout
}

/** Tiny runs its seed: it shows what the guest found. */
const look =
  "#!/bin/sh\\n{ test -d /sys/firmware/efi && echo uefi || echo bios; grep -m1 'model name' /proc/cpuinfo; } > /www/seed"

test.each(['qemu', 'libvirt'] as const)(
  'a guest of %s has the firmware, the processor and the screen that the file gives it, and others when it changes',
  async (hypervisor) => {
    await using baton = openBaton(['env', `LIBVIRT_DEFAULT_URI=${daemon.uri}`])
    const [port, screen] = [await freePort(), await screenPort()]
    const file = join(baton.directory, 'baton.yaml')
    const write = (hardware: string): void =>
      writeFileSync(
        file,
        `name: machines
hosts: { here: { hypervisor: ${hypervisor} } }
guests: { web: { image: tiny, memory: 256M, ${hardware} cloud-init: { user-data: "${look}" } } }
services: { www: { address: "127.0.0.1:${port}", servers: [{ guests: web, port: 80 }], check: { http: /healthz, every: 300ms, timeout: 5s, rise: 1 } } }
directors: { engine: userspace }
`,
      )
    const succeed = async (...args: readonly string[]): Promise<string> => {
      const { code, stdout, stderr } = await baton.run(...args)
      expect(code, `baton ${args.join(' ')}\n${stdout}${stderr}`).toBe(0)
      return stdout
    }
    const found = (): Promise<string> => request({ address: '127.0.0.1', port }, '/seed')

    write(`firmware: uefi, cpu: Nehalem, graphics: { type: vnc, port: ${screen} },`)
    await succeed('up', file)
    expect(await found()).toMatch(/^uefi\nmodel name.*Nehalem/)
    expect(await greetingAt(screen)).toMatch(/^RFB 003\.\d{3}\n$/)
    if (hypervisor === 'libvirt') {
      const xml = await dumpXml('web')
      expect(xml).toMatch(/<loader readonly='yes' type='pflash'>.*<\/loader>\s*<nvram/)
      expect(xml).toMatch(/<model fallback='forbid'>Nehalem<\/model>/)
      expect(xml).toMatch(new RegExp(`<graphics type='vnc' port='${screen}' autoport='no' listen='127.0.0.1'>`))
    }
    expect(await succeed('plan', file)).not.toContain('guest.')

    write('')
    const said = await succeed('up', '--yes', file)
    for (const words of ['firmware changes from uefi to bios', 'cpu changes from Nehalem to the usual one', `graphics changes from vnc at 127.0.0.1:${screen} to none`]) // biome-ignore format: a line
      expect(said).toContain(words)
    expect(await found()).toMatch(/^bios\nmodel name(?!.*Nehalem)/)
    await expect(greetingAt(screen)).rejects.toMatchObject({ code: 'ECONNREFUSED' })
    await succeed('down', file)
    expect(baton.processes()).toEqual([])
    expect(baton.leftovers().filter((name) => name.includes('web'))).toEqual([])
  },
)
