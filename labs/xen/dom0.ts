/** A machine of its own that runs Xen, with a Debian as Dom0, all under QEMU's TCG: it needs no virtualization. */
import { type ChildProcess, spawn } from 'node:child_process'
import { mkdtemp, rm } from 'node:fs/promises'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Host } from '../../src/hosts/host.ts'
import { localHost } from '../../src/hosts/local/local.ts'
import { agentHost } from './agent-host.ts'
import { type XenImage, xenImage } from './image.ts'

export type Dom0 = AsyncDisposable & {
  readonly host: Host
  readonly agentPort: number
  /** Port 80 of each guest address, seen on this machine's loopback. */
  readonly ports: ReadonlyMap<string, number>
  /** What the serial line said: Xen's and Dom0's messages. */
  console(): string
}

/** Addresses on xenbr0, which QEMU's user network is plugged into, that this machine reaches at port 80. */
export const guestAddresses = ['10.0.2.21', '10.0.2.22', '10.0.2.23'] as const

const bootMs = 900_000
const memoryMegabytes = 2560
/** Beside the system's disk there is an empty one: the volume group `vg0` is made on it. */
const secondDiskBytes = 2 * 1024 ** 3

/** Boots (about a minute; the first time the image is built). @throws Error with what it said when it does not come up. */
export async function bootDom0(options: {
  readonly signal: AbortSignal
  /** One more disk, /dev/vdc there; what Dom0 writes to it is gone with the machine. */
  readonly disk?: string
}): Promise<Dom0> {
  const image = await xenImage(localHost(), options.signal)
  const directory = await mkdtemp(join(tmpdir(), 'baton-xen-'))
  const [agentPort = 0, ...guestPorts] = await freePorts(1 + guestAddresses.length)
  const ports = new Map(guestAddresses.map((address, index) => [address as string, guestPorts[index] ?? 0]))
  const made = await localHost().run(
    ['qemu-img', 'create', '-q', '-f', 'qcow2', `${directory}/second.qcow2`, String(secondDiskBytes)],
    options,
  )
  if (made.code !== 0) throw new Error(made.stderr)
  // However this process ends, the machine ends with it.
  const command = [
    '--pdeathsig',
    'KILL',
    '--',
    'qemu-system-x86_64',
    ...qemuArguments(image, directory, agentPort, ports),
    ...(options.disk === undefined
      ? []
      : ['-drive', `file=${options.disk},format=raw,if=virtio,snapshot=on,cache=unsafe`]),
  ]
  const child = spawn('setpriv', command, { stdio: ['ignore', 'pipe', 'inherit'] })
  let said = ''
  child.stdout.on('data', (chunk: Buffer) => {
    said = (said + chunk.toString()).slice(-200_000)
  })
  const ended = new Promise<void>((resolve) => {
    child.once('error', () => resolve())
    child.once('exit', () => resolve())
  })
  const dispose = async (): Promise<void> => {
    child.kill('SIGKILL')
    await ended
    await rm(directory, { recursive: true, force: true })
  }
  try {
    const host = agentHost(agentPort)
    await untilReady(child, host, () => said, options.signal)
    return { host, agentPort, ports, console: () => said, [Symbol.asyncDispose]: dispose }
  } catch (error) {
    await dispose()
    throw new Error(`the Xen lab's machine does not come up: ${String(error)}\n${said.slice(-5000)}`, { cause: error })
  }
}

/** Until its toolstack answers. */
async function untilReady(child: ChildProcess, host: Host, said: () => string, signal: AbortSignal): Promise<void> {
  const limit = AbortSignal.any([signal, AbortSignal.timeout(bootMs)])
  while (!said().includes('lab: ready')) {
    if (child.exitCode !== null) throw new Error(`QEMU has ended with ${child.exitCode}`)
    await sleep(100, undefined, { signal: limit })
  }
  const { code, stderr } = await host.run(['xl', 'list'], { signal: limit })
  if (code !== 0) throw new Error(stderr)
}

function qemuArguments(image: XenImage, directory: string, agent: number, ports: Dom0['ports']): string[] {
  const xen = 'console=com1 com1=115200,8n1 dom0_mem=1024M,max:1024M dom0_max_vcpus=1 noreboot'
  const linux = 'console=hvc0 quiet net.ifnames=0 mitigations=off norandmaps panic=-1'
  const forwards = [`hostfwd=tcp:127.0.0.1:${agent}-10.0.2.15:7`]
  for (const [address, port] of ports) forwards.push(`hostfwd=tcp:127.0.0.1:${port}-${address}:80`)
  return [
    ...['-nodefaults', '-no-user-config', '-display', 'none', '-no-reboot', '-serial', 'stdio'],
    ...['-machine', 'q35', '-accel', 'tcg,thread=multi', '-m', String(memoryMegabytes), '-smp', '2'],
    ...['-kernel', image.xen, '-append', xen, '-initrd', `${image.kernel} ${linux},${image.ramdisk}`],
    ...['-drive', `file=${image.disk},format=raw,if=virtio,snapshot=on,cache=unsafe`],
    ...['-drive', `file=${directory}/second.qcow2,format=qcow2,if=virtio,cache=unsafe`],
    ...['-nic', `user,model=virtio-net-pci,dhcpstart=10.0.2.30,${forwards.join(',')}`],
  ]
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
