/** A director on the eBPF engine in the topology of IPVS's self-test, steered by ipvsadm; and what sends and answers there. */
import { randomBytes } from 'node:crypto'
import { expect } from 'vitest'
import { type Baton, openBaton } from '../hello/baton.ts'
import { eventually } from '../net/loopback.ts'
import { addresses, type Mode, openTopology, type Place, type Topology, type TopologyOptions } from './topology.ts'
import { openBpfWorld } from './world.ts'

const program = new URL('../../bin/baton', import.meta.url).pathname
export const port = 8080

export type Lab = AsyncDisposable & {
  readonly topology: Topology
  readonly baton: Baton
  ipvsadm(...words: string[]): Promise<string>
}

export async function openLab(mode: Mode, over: TopologyOptions = {}): Promise<Lab> {
  const world = await openBpfWorld()
  const topology = await openTopology(mode, over)
  const baton = openBaton()
  baton.environment['BATON_BPF_DIR'] = world.bpfFileSystem
  topology.start(
    'director',
    baton.environment,
    process.execPath,
    program,
    'director',
    '--supervise',
    '--engine',
    'ebpf',
    ...(over.director ?? []),
  )
  const ipvsadm = async (...words: string[]): Promise<string> => {
    const { code, stdout, stderr } = await baton.run('ipvsadm', ...words)
    expect([code, stderr], words.join(' ')).toEqual([0, ''])
    return stdout
  }
  await eventually('the director serves', async () => (await baton.run('ipvsadm', '-L')).code === 0, 60_000)
  return {
    topology,
    baton,
    ipvsadm,
    async [Symbol.asyncDispose]() {
      for (const pid of baton.processes()) process.kill(pid, 'SIGKILL')
      await topology.removeLocks()
      await topology[Symbol.asyncDispose]()
      await baton[Symbol.asyncDispose]()
      await world[Symbol.asyncDispose]()
    },
  }
}

export type Family = keyof typeof addresses
export type Protocol = 'TCP' | 'UDP'

/** An echo, as the protocol goes. */
export function serve({ topology }: Lab, family: Family, protocol: Protocol, mode: Mode): void {
  const { vip, server } = addresses[family]
  const version = family === 'ipv6' ? 6 : 4
  const at = mode === 'masq' ? server : vip
  const bound = `bind=${family === 'ipv6' ? `[${at}]` : at},fork,reuseaddr`
  const listen =
    protocol === 'TCP' ? `TCP${version}-LISTEN:${port},${bound}` : `UDP${version}-RECVFROM:${port},${bound}`
  topology.start('server', process.env, 'socat', listen, 'EXEC:cat')
}

/** Whether what one sends to the service comes back to it. */
export async function echoed(
  { topology }: Lab,
  family: Family,
  protocol: Protocol,
  from: Place = 'client',
): Promise<boolean> {
  const { vip } = addresses[family]
  const words = randomBytes(16).toString('hex')
  const to = `${protocol}${family === 'ipv6' ? 6 : 4}:${family === 'ipv6' ? `[${vip}]` : vip}:${port}`
  const heard = await topology.run(from, 'sh', '-c', `echo ${words} | timeout 2 socat -t 1 - ${to} || true`)
  return heard.trim() === words
}
