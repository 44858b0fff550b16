/** QEMU's part of the lab: a machine that runs Xen, all under its TCG, so that no virtualization is needed. */
import { type ChildProcess, spawn } from 'node:child_process'
import { existsSync, readFileSync } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import type { CallOptions } from '../../src/guests/hypervisor.ts'
import { type Qmp, type QmpOptions, withQmp } from '../../src/guests/qemu/qmp.ts'
import { localHost } from '../../src/hosts/local/local.ts'
import type { XenImage } from './image.ts'

export type Machine = AsyncDisposable & {
  readonly agentPort: number
  /** Port 80 of each guest address, seen on this machine's loopback. */
  readonly ports: ReadonlyMap<string, number>
  /** What the serial line said: Xen's and Dom0's messages. */
  console(): string
  /** @throws Error when QEMU has ended, or the time is over. */
  until(isSo: () => boolean, options: CallOptions): Promise<void>
  control<T>(use: (qmp: Qmp) => Promise<T>, options: QmpOptions): Promise<T>
}

/** Addresses on xenbr0, which QEMU's user network is plugged into, that this machine reaches at port 80. */
export const guestAddresses = ['10.0.2.21', '10.0.2.22', '10.0.2.23'] as const

/** Beside the system's disk there is an empty one, where the volume group `vg0` is made, and one that whoever starts it gives. */
export const emptyDiskBytes = 2 * 1024 ** 3

const xen = 'console=com1 com1=115200,8n1 dom0_mem=1024M,max:1024M dom0_max_vcpus=1 noreboot'
const linux = 'console=hvc0 quiet net.ifnames=0 mitigations=off norandmaps panic=-1'
/** Memory that was saved fits just these words. */
export const hardware = [
  ...['-nodefaults', '-no-user-config', '-display', 'none', '-no-reboot'],
  ...['-machine', 'q35', '-accel', 'tcg,thread=multi', '-m', '2560', '-smp', '2', '-append', xen],
]
const drive = 'if=virtio,cache=unsafe'

/**
 * Starts it; it boots, or goes on from `memory`. `disk` is a qcow2 that its boot writes to, and later runs do not; `more` is
 * what it sees as /dev/vdc, and stays as it is.
 */
export async function startMachine(
  image: XenImage,
  {
    disk,
    more,
    memory,
    signal,
  }: CallOptions & { readonly disk: string; readonly more: string; readonly memory?: string },
): Promise<Machine> {
  const directory = await mkdtemp(join(tmpdir(), 'baton-xen-'))
  const [agentPort = 0, ...guestPorts] = await freePorts(1 + guestAddresses.length)
  const ports = new Map(guestAddresses.map((address, index) => [address as string, guestPorts[index] ?? 0]))
  await makeDisk(`${directory}/empty.qcow2`, [String(emptyDiskBytes)], { signal })
  await makeDiskOver(`${directory}/more.qcow2`, more, 'raw', { signal })
  const ownDisk = memory === undefined ? disk : `${directory}/disk.qcow2`
  if (memory !== undefined) await makeDiskOver(ownDisk, disk, 'qcow2', { signal })
  const forwards = [`hostfwd=tcp:127.0.0.1:${agentPort}-10.0.2.15:7`]
  for (const [address, port] of ports) forwards.push(`hostfwd=tcp:127.0.0.1:${port}-${address}:80`)
  // However this process ends, the machine ends with it.
  const command = [
    ...['--pdeathsig', 'KILL', '--', 'qemu-system-x86_64', ...hardware],
    ...['-kernel', image.xen, '-initrd', `${image.kernel} ${linux},${image.ramdisk}`],
    ...['-drive', `file=${ownDisk},format=qcow2,${drive}`],
    ...['-drive', `file=${directory}/empty.qcow2,format=qcow2,${drive}`],
    ...['-drive', `file=${directory}/more.qcow2,format=qcow2,${drive}`],
    ...['-nic', `user,model=virtio-net-pci,mac=52:54:00:00:00:15,dhcpstart=10.0.2.30,${forwards.join(',')}`],
    ...['-serial', `file:${directory}/console`, '-qmp', `unix:${directory}/control,server=on,wait=off`],
    ...(memory === undefined ? [] : ['-incoming', `exec:cat ${memory}`]),
  ]
  const child = spawn('setpriv', command, { stdio: ['ignore', 'inherit', 'inherit'] })
  const said = (): string => readIfThere(`${directory}/console`)
  const ended = endOf(child)
  const until: Machine['until'] = async (isSo, { signal: limit }) => {
    while (!isSo()) {
      const end = child.exitCode ?? child.signalCode
      if (end !== null) throw new Error(`QEMU has ended: ${end}`)
      await sleep(100, undefined, { signal: limit })
    }
  }
  return {
    agentPort,
    ports,
    console: said,
    until,
    async control(use, options) {
      await until(() => existsSync(`${directory}/control`), options)
      return withQmp(localHost(), `${directory}/control`, options, use)
    },
    async [Symbol.asyncDispose]() {
      child.kill('SIGKILL')
      await ended
      await rm(directory, { recursive: true, force: true })
    },
  }
}

/** By qemu-img(1): a size, or what it is made over. */
export async function makeDisk(path: string, words: readonly string[], options: CallOptions): Promise<void> {
  const { code, stderr } = await localHost().run(['qemu-img', 'create', '-q', '-f', 'qcow2', path, ...words], options)
  if (code !== 0) throw new Error(stderr)
}

/** What is written to the new disk does not touch the one below it. */
export const makeDiskOver = (
  path: string,
  below: string,
  format: 'raw' | 'qcow2',
  options: CallOptions,
): Promise<void> => makeDisk(path, ['-b', below, '-F', format], options)

/** A file, so that it can be looked at while the machine hangs; QEMU makes it. */
const readIfThere = (path: string): string => (existsSync(path) ? readFileSync(path, 'utf8') : '')

async function endOf(child: ChildProcess): Promise<void> {
  return new Promise((resolve) => {
    child.once('error', () => resolve())
    child.once('exit', () => resolve())
  })
}

async function freePorts(count: number): Promise<number[]> {
  const servers = Array.from({ length: count }, () => createServer().listen(0, '127.0.0.1'))
  const ports = await Promise.all(
    servers.map(async (server) => {
      await new Promise((resolve) => server.once('listening', resolve))
      const address = server.address()
      return typeof address === 'object' && address !== null ? address.port : 0
    }),
  )
  await Promise.all(servers.map((server) => new Promise((resolve) => server.close(resolve))))
  return ports
}
