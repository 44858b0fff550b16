/** The topology of Linux's own IPVS self-test (tools/testing/selftests/net/netfilter/ipvs.sh), with IPv6 beside IPv4. */
import { type ChildProcess, spawn } from 'node:child_process'
import { closeSync, openSync } from 'node:fs'
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { attachFilter, attachTcx, attachXdp, type Hook, loadObject } from '../../src/os/bpf.ts'
import { listInterfaces } from '../../src/os/interfaces.ts'
import { errnoName, libc } from '../../src/os/libc.ts'
import { enterNetworkNamespace } from '../../src/os/network-namespace.ts'
import { AF_INET, loadSocketCalls, pinned, SOCK_DGRAM } from '../../src/os/sockets.ts'
import { removeLocksOf } from './locks.ts'
import { execute } from './world.ts'

export type Mode = 'direct' | 'masq' | 'tunnel'
export type Place = 'client' | 'director' | 'server'

export const addresses = {
  ipv4: { vip: '207.175.44.110', server: '172.16.0.2', gateway: '10.0.0.1', back: '172.16.0.1' },
  ipv6: { vip: 'fdaa::110', server: 'fd16::2', gateway: 'fd00::1', back: 'fd16::1' },
} as const

export type Topology = AsyncDisposable & {
  /** Of a director that was killed. */
  removeLocks(): Promise<void>
  /** Of its namespace. */
  name(place: Place): string
  run(place: Place, ...command: readonly string[]): Promise<string>
  start(place: Place, environment: NodeJS.ProcessEnv, ...command: readonly string[]): ChildProcess
}

let made = 0

export type TopologyOptions = {
  /** Whether the director forwards for others; left out: as the original has it, all but with tunnels. */
  readonly forwards?: boolean
  /** More words for the director's command. */
  readonly director?: readonly string[]
}

export async function openTopology(mode: Mode, over: TopologyOptions = {}): Promise<Topology> {
  const tag = `baton-ipvs-${process.pid}-${made++}`
  const name = (place: Place): string => `${tag}-${place}`
  const children = new Set<ChildProcess>()
  const run: Topology['run'] = async (place, ...command) =>
    (await execute('ip', ['netns', 'exec', name(place), ...command], { timeout: 20_000 })).stdout
  const topology: Topology = {
    name,
    run,
    start(place, environment, ...command) {
      // Its mount namespace stays ours, so that it sees the same pins.
      const child = spawn('nsenter', [`--net=/run/netns/${name(place)}`, ...command], {
        env: environment,
        stdio: ['pipe', 'pipe', 'inherit'],
      })
      children.add(child)
      child.once('exit', () => children.delete(child))
      child.stdout?.resume()
      return child
    },
    removeLocks: () => removeLocksOf(name('director')),
    async [Symbol.asyncDispose]() {
      for (const child of children) child.kill('SIGKILL')
      for (const place of ['client', 'director', 'server'] as const)
        await execute('ip', ['netns', 'delete', name(place)]).catch(() => undefined)
    },
  }
  try {
    await script(run, name)
    await servers(run, mode, over.forwards ?? mode !== 'tunnel')
    if (mode === 'tunnel') await unwrapTunnels(name('server'), 'veth21')
    return topology
  } catch (error) {
    await topology[Symbol.asyncDispose]()
    throw error
  }
}

type Run = Topology['run']

async function script(run: Run, name: (place: Place) => string): Promise<void> {
  for (const place of ['client', 'director', 'server'] as const) {
    await execute('ip', ['netns', 'add', name(place)])
    await run(place, 'ip', 'link', 'set', 'lo', 'up')
    await run(place, 'sysctl', '-qw', 'net.ipv6.conf.all.accept_dad=0', 'net.ipv6.conf.default.accept_dad=0')
  }
  const pair = (a: Place, one: string, b: Place, other: string): Promise<string> =>
    run(a, 'ip', 'link', 'add', one, 'type', 'veth', 'peer', 'name', other, 'netns', name(b))
  await pair('client', 'veth01', 'director', 'veth10')
  await pair('client', 'veth02', 'server', 'veth20')
  await pair('director', 'veth12', 'server', 'veth21')
  await run('client', 'ip', 'link', 'add', 'br0', 'type', 'bridge')
  for (const port of ['veth01', 'veth02']) await run('client', 'ip', 'link', 'set', port, 'master', 'br0', 'up')
  const address = async (place: Place, device: string, ...all: string[]): Promise<void> => {
    await run(place, 'ip', 'link', 'set', device, 'up')
    for (const one of all)
      await run(place, 'ip', 'address', 'add', one, 'dev', device, ...(one.includes(':') ? ['nodad'] : []))
  }
  await address('client', 'br0', '10.0.0.2/24', 'fd00::2/64')
  await address('director', 'veth10', '10.0.0.1/24', 'fd00::1/64')
  await address('director', 'veth12', '172.16.0.1/24', 'fd16::1/64')
  await address('server', 'veth21', '172.16.0.2/24', 'fd16::2/64')
  await address('server', 'veth20', '10.0.0.3/24', 'fd00::3/64')
  const { ipv4, ipv6 } = addresses
  await address('director', 'lo', `${ipv4.vip}/32`, `${ipv6.vip}/128`)
  for (const { vip, gateway } of [ipv4, ipv6])
    await run('client', 'ip', 'route', 'add', vip, 'via', gateway, 'dev', 'br0')
}

async function servers(run: Run, mode: Mode, forwards: boolean): Promise<void> {
  const { ipv4, ipv6 } = addresses
  const value = forwards ? 1 : 0
  await run('director', 'sysctl', '-qw', `net.ipv4.ip_forward=${value}`, `net.ipv6.conf.all.forwarding=${value}`)
  if (mode === 'masq') {
    await run('server', 'ip', 'link', 'delete', 'veth20')
    for (const { back } of [ipv4, ipv6]) await run('server', 'ip', 'route', 'add', 'default', 'via', back)
    return
  }
  const quiet = ['all.arp_ignore=1', 'all.arp_announce=2', 'all.rp_filter=0', 'veth21.rp_filter=0']
  await run('server', 'sysctl', '-qw', ...quiet.map((setting) => `net.ipv4.conf.${setting}`))
  await run('server', 'ip', 'address', 'add', `${ipv4.vip}/32`, 'dev', 'lo')
  await run('server', 'ip', 'address', 'add', `${ipv6.vip}/128`, 'dev', 'lo', 'nodad')
}

/** In place of the kernel's own tunnels, which not every kernel has; for as long as this process lives. */
export async function unwrapTunnels(namespace: string, device: string): Promise<void> {
  await attachProgram(namespace, device, 'in', 'unwrap')
}

const SIOCETHTOOL = 0x8946
const ETHTOOL_STXCSUM = 0x17

/** Switches off that a device leaves transport checksums to others: ethtool -K DEVICE tx off. */
export function makeChecksums(namespace: string, device: string): void {
  const control = libc().func('int ioctl(int, unsigned long, int64_t)') as (...words: number[]) => number
  const calls = loadSocketCalls()
  // struct ethtool_value: command, value; struct ifreq: the name, a pointer.
  const [value, request] = [pinned(8), pinned(40)]
  value.bytes.writeUInt32LE(ETHTOOL_STXCSUM, 0)
  request.bytes.write(device)
  request.bytes.writeBigUInt64LE(BigInt(value.address), 16)
  inNamespace(namespace, () => {
    const fd = calls.socket(AF_INET, SOCK_DGRAM, 0)
    const result = control(fd, SIOCETHTOOL, request.address)
    calls.close(fd)
    if (result < 0) throw new Error(`${device}: ${errnoName()}`)
  })
}

/** A program of `labs/ebpf/SOURCE.bpf.c` at a device of a namespace, for as long as this process lives. */
export async function attachProgram(
  namespace: string,
  device: string,
  hook: Hook | 'ahead',
  source: string,
  program = source,
): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), 'baton-program-'))
  const built = join(folder, 'built.o')
  const headers = ['x86_64', 'aarch64'].map((machine) => `-I/usr/include/${machine}-linux-gnu`)
  const file = join(import.meta.dirname, `${source}.bpf.c`)
  await execute('clang', ['-O2', '-g', '-target', 'bpf', ...headers, '-c', file, '-o', built])
  using object = loadObject(await readFile(built), { maxEntries: {}, reuse: {} })
  await rm(folder, { recursive: true })
  inNamespace(namespace, () => {
    const index = listInterfaces().find(({ name }) => name === device)?.index ?? 0
    const attached = object.program(program)
    if (hook === 'ahead') attachXdp(attached, index)
    else if (attachTcx(attached, index, hook) === undefined) attachFilter(attached, index, hook)
  })
}

/** Calls of this thread are that namespace's meanwhile. */
export function inNamespace<T>(namespace: string, body: () => T): T {
  const home = openSync('/proc/self/ns/net', 'r')
  try {
    enterNetworkNamespace(`/run/netns/${namespace}`)
    return body()
  } finally {
    enterNetworkNamespace(`/proc/self/fd/${home}`)
    closeSync(home)
  }
}
