/**
 * Two directors before two real servers: a network in front with the client, one behind. The service's gateway is one
 * address in front and one behind; whichever director has both is the one that packets pass.
 */
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import type { PortableConnection } from '../../src/lvs/portable-connection.ts'
import type { Answered, Asked, Said } from './takeover-director.ts'
import { type Mode, unwrapTunnels } from './topology.ts'
import { execute, openBpfWorld } from './world.ts'

export type Family = 'ipv4' | 'ipv6'
export type DirectorName = 'one' | 'two'
type Place = DirectorName | 'client' | 'server2' | 'server3' | 'wire'

const places: readonly Place[] = ['wire', 'client', 'one', 'two', 'server2', 'server3']
export const takeoverAddresses = {
  ipv4: {
    vip: '192.0.2.80',
    server: (number: number) => `172.16.0.${number}`,
    front: '10.0.0.9/24',
    back: '172.16.0.9/24',
  },
  ipv6: { vip: '2001:db8::80', server: (number: number) => `fd16::${number}`, front: 'fd00::9/64', back: 'fd16::9/64' },
} as const
export const takeoverPort = 8080

export type TakeoverDirector = {
  ask(asked: Asked): Promise<Answered>
  /** What it has told of changes so far, as it was told last. */
  readonly told: readonly PortableConnection[]
  kill(): void
}

export type TakeoverWorld = AsyncDisposable & {
  readonly directors: Readonly<Record<DirectorName, TakeoverDirector>>
  run(place: Place, ...command: readonly string[]): Promise<string>
  start(place: Place, ...command: readonly string[]): ChildProcess
  /** The gateway's addresses, and with them all that is sent to the service. */
  moveTo(name: DirectorName): Promise<void>
}

let made = 0

export async function openTakeoverWorld(mode: Mode): Promise<TakeoverWorld> {
  const world = await openBpfWorld()
  const tag = `baton-take-${process.pid}-${made++}`
  const name = (place: Place): string => `${tag}-${place}`
  const children = new Set<ChildProcess>()
  const run: TakeoverWorld['run'] = async (place, ...command) =>
    (await execute('ip', ['netns', 'exec', name(place), ...command], { timeout: 20_000 })).stdout
  const keep = (child: ChildProcess): ChildProcess => {
    children.add(child)
    child.once('exit', () => children.delete(child))
    return child
  }
  const end = async (): Promise<void> => {
    const ends = [...children].map((child) => once(child, 'exit'))
    for (const child of children) child.kill('SIGKILL')
    await Promise.all(ends)
    for (const place of places) await execute('ip', ['netns', 'delete', name(place)]).catch(() => undefined)
    await world[Symbol.asyncDispose]()
  }
  const start: TakeoverWorld['start'] = (place, ...command) =>
    keep(spawn('nsenter', [`--net=/run/netns/${name(place)}`, ...command], { stdio: ['pipe', 'pipe', 'inherit'] }))
  const director = async (place: DirectorName): Promise<TakeoverDirector> => {
    const file = join(import.meta.dirname, 'takeover-director.ts')
    const command = [process.execPath, '--import', import.meta.resolve('tsx'), file]
    const ground = [world.bpfFileSystem, join(world.lockDirectory, place)]
    const child = spawn('nsenter', [`--net=/run/netns/${name(place)}`, ...command, ...ground], {
      stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
      serialization: 'advanced',
    })
    return await speakTo(keep(child))
  }
  try {
    await wire(run, name)
    await prepareServers(run, mode)
    if (mode === 'tunnel')
      for (const server of ['server2', 'server3'] as const) await unwrapTunnels(name(server), 'back')
    const directors = { one: await director('one'), two: await director('two') }
    return { directors, run, start, moveTo: (to) => moveGateway(run, to), [Symbol.asyncDispose]: end }
  } catch (error) {
    await end()
    throw error
  }
}

type Run = TakeoverWorld['run']

async function wire(run: Run, name: (place: Place) => string): Promise<void> {
  for (const place of places) {
    await execute('ip', ['netns', 'add', name(place)])
    await run(place, 'ip', 'link', 'set', 'lo', 'up')
    await run(place, 'sysctl', '-qw', 'net.ipv6.conf.all.accept_dad=0', 'net.ipv6.conf.default.accept_dad=0')
  }
  for (const net of ['front', 'back']) await run('wire', 'ip', 'link', 'add', net, 'type', 'bridge')
  for (const net of ['front', 'back']) await run('wire', 'ip', 'link', 'set', net, 'up')
  const plug = async (place: Place, net: 'front' | 'back', number: number): Promise<void> => {
    const port = `${net[0] ?? ''}-${place}`
    await run('wire', 'ip', 'link', 'add', port, 'type', 'veth', 'peer', 'name', net, 'netns', name(place))
    await run('wire', 'ip', 'link', 'set', port, 'master', net, 'up')
    await run(place, 'ip', 'link', 'set', net, 'up')
    const addresses =
      net === 'front' ? [`10.0.0.${number}/24`, `fd00::${number}/64`] : [`172.16.0.${number}/24`, `fd16::${number}/64`]
    for (const address of addresses)
      await run(place, 'ip', 'address', 'add', address, 'dev', net, ...(address.includes(':') ? ['nodad'] : []))
  }
  await plug('client', 'front', 100)
  for (const [place, number] of [
    ['one', 11],
    ['two', 12],
    ['server2', 2],
    ['server3', 3],
  ] as const)
    for (const net of ['front', 'back'] as const) await plug(place, net, number)
  const { ipv4, ipv6 } = takeoverAddresses
  for (const place of ['one', 'two'] as const) {
    await run(place, 'ip', 'address', 'add', `${ipv4.vip}/32`, 'dev', 'lo')
    await run(place, 'ip', 'address', 'add', `${ipv6.vip}/128`, 'dev', 'lo', 'nodad')
    await run(place, 'sysctl', '-qw', 'net.ipv4.ip_forward=1', 'net.ipv6.conf.all.forwarding=1')
  }
  await run('client', 'ip', 'route', 'add', ipv4.vip, 'via', hostOf(ipv4.front))
  await run('client', 'ip', 'route', 'add', ipv6.vip, 'via', hostOf(ipv6.front))
}

const hostOf = (cidr: string): string => cidr.slice(0, cidr.indexOf('/'))

/** Rewritten packets are answered by the gateway behind; all others to the client at once. */
async function prepareServers(run: Run, mode: Mode): Promise<void> {
  const { ipv4, ipv6 } = takeoverAddresses
  for (const server of ['server2', 'server3'] as const) {
    if (mode === 'masq') {
      await run(server, 'ip', 'link', 'delete', 'front')
      for (const { back } of [ipv4, ipv6]) await run(server, 'ip', 'route', 'add', 'default', 'via', hostOf(back))
      continue
    }
    const quiet = ['all.arp_ignore=1', 'all.arp_announce=2', 'all.rp_filter=0', 'back.rp_filter=0']
    await run(server, 'sysctl', '-qw', ...quiet.map((setting) => `net.ipv4.conf.${setting}`))
    await run(server, 'ip', 'address', 'add', `${ipv4.vip}/32`, 'dev', 'lo')
    await run(server, 'ip', 'address', 'add', `${ipv6.vip}/128`, 'dev', 'lo', 'nodad')
  }
}

async function moveGateway(run: Run, to: DirectorName): Promise<void> {
  for (const place of ['one', 'two'] as const)
    for (const { front, back } of Object.values(takeoverAddresses))
      for (const [net, address] of [
        ['front', front],
        ['back', back],
      ] as const) {
        const options = address.includes(':') ? ['nodad'] : []
        if (place === to) await run(place, 'ip', 'address', 'replace', address, 'dev', net, ...options)
        else await run(place, 'ip', 'address', 'delete', address, 'dev', net).catch(() => undefined)
      }
  // As VRRP's announcements do.
  for (const place of ['client', 'server2', 'server3'] as const) await run(place, 'ip', 'neighbour', 'flush', 'all')
}

async function speakTo(child: ChildProcess): Promise<TakeoverDirector> {
  const waiting = new Map<number, (answered: Answered) => void>()
  const told: PortableConnection[] = []
  let asked = 0
  const ready = new Promise<void>((resolve, reject) => {
    child.once('exit', (code) => reject(new Error(`the director has ended: ${code}`)))
    child.on('message', (said: Said) => {
      if ('ready' in said) resolve()
      else if ('changed' in said) told.push(...said.changed)
      else waiting.get(said.number)?.(said)
    })
  })
  await ready
  return {
    told,
    async ask(question) {
      const number = asked++
      const answered = new Promise<Answered>((resolve) => waiting.set(number, resolve))
      child.send({ number, asked: question })
      const answer = await answered
      if (answer.error !== undefined) throw new Error(answer.error)
      return answer
    },
    kill: () => void child.kill('SIGKILL'),
  }
}
