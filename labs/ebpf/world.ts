/** What tests of the eBPF engine need: a BPF file system of their own, and a network namespace to be in. As root. */
import { execFile } from 'node:child_process'
import { closeSync, openSync } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { ensureBpfFileSystem } from '../../src/os/bpf-file-system.ts'
import { enterNetworkNamespace } from '../../src/os/network-namespace.ts'

export const execute = promisify(execFile)

export type BpfWorld = AsyncDisposable & {
  readonly bpfFileSystem: string
  readonly lockDirectory: string
}

/** Pins vanish with it: nothing of the machine's own is touched. */
export async function openBpfWorld(): Promise<BpfWorld> {
  const folder = await mkdtemp(join(tmpdir(), 'baton-ebpf-'))
  const bpfFileSystem = join(folder, 'bpf')
  ensureBpfFileSystem(bpfFileSystem)
  return {
    bpfFileSystem,
    lockDirectory: join(folder, 'locks'),
    async [Symbol.asyncDispose]() {
      await execute('umount', ['--lazy', bpfFileSystem])
      await rm(folder, { recursive: true, force: true })
    },
  }
}

let made = 0

/** A namespace with one Ethernet interface, 10.50.0.1/24 and fd50::1/64, that forwards. This thread lives in it meanwhile. */
export async function enterNewNamespace(): Promise<AsyncDisposable & { readonly name: string }> {
  const name = `baton-ebpf-${process.pid}-${made++}`
  const home = openSync('/proc/self/ns/net', 'r')
  const ip = (...parts: string[]): Promise<unknown> => execute('ip', parts)
  await ip('netns', 'add', name)
  await ip('-n', name, 'link', 'set', 'lo', 'up')
  await ip('-n', name, 'link', 'add', 'lan', 'address', '02:00:00:00:00:01', 'type', 'veth', 'peer', 'name', 'far')
  await ip('-n', name, 'address', 'add', '10.50.0.1/24', 'dev', 'lan')
  await ip('-n', name, 'address', 'add', 'fd50::1/64', 'dev', 'lan', 'nodad')
  await ip('-n', name, 'link', 'set', 'far', 'up')
  await ip('-n', name, 'link', 'set', 'lan', 'up')
  const forwarding = ['net.ipv4.ip_forward=1', 'net.ipv6.conf.all.forwarding=1']
  await ip('netns', 'exec', name, 'sysctl', '-qw', ...forwarding)
  enterNetworkNamespace(`/run/netns/${name}`)
  return {
    name,
    async [Symbol.asyncDispose]() {
      enterNetworkNamespace(`/proc/self/fd/${home}`)
      closeSync(home)
      await ip('netns', 'delete', name)
    },
  }
}

/** Routes and neighbours that stand still, so that packets leave in the same way each time: servers N of the link, clients beyond. */
export async function settleNeighbours(name: string, servers: readonly number[]): Promise<void> {
  const ip = (...parts: string[]): Promise<unknown> => execute('ip', ['-n', name, ...parts])
  for (const server of [...servers, 254])
    for (const address of [`10.50.0.${server}`, `fd50::${server.toString(16)}`])
      await ip('neighbour', 'replace', address, 'lladdr', serverMac(server), 'dev', 'lan', 'nud', 'permanent')
  await ip('route', 'add', '198.51.100.0/24', 'via', '10.50.0.254')
  await ip('-6', 'route', 'add', '2001:db8::/64', 'via', 'fd50::fe')
}

export function serverMac(server: number): string {
  return `02:00:00:00:01:${server.toString(16).padStart(2, '0')}`
}
