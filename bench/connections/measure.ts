/** One contender with its servers and clients, each a process of its own, on addresses of loopback. */
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { setTimeout as pause } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'

export type Figures = {
  readonly opened: number
  readonly perSecond: number
  /** Passed a byte both ways once more when all stood. */
  readonly whole: number
  /** Grown since before the first connection, for each of them. */
  readonly rssBytes: number
  /** Of the kernel's slabs, the director's two sockets of four. */
  readonly kernelBytes: number
}

/** Few enough for one process's open files, and for the ports of one address. */
const perPeer = 12_500
const deadlineMs = 600_000
/** Until what was freed is given back, and what was queued is done. */
const settleMs = 2000

type Peer = { readonly child: ChildProcess; readonly line: () => Promise<string> }

export async function openFileLimit(): Promise<number> {
  const limits = await readFile('/proc/self/limits', 'utf8')
  return Number(/Max open files\s+\d+\s+(\d+)/u.exec(limits)?.[1] ?? 0)
}

export async function measure(contender: string, count: number, threads: number): Promise<Figures> {
  const children: ChildProcess[] = []
  const directory = await mkdtemp(join(tmpdir(), 'baton-connections-'))
  const start = (command: readonly string[]): Peer => {
    const peer = startPeer(command)
    children.push(peer.child)
    return peer
  }
  try {
    const peers = Math.ceil(count / perPeer)
    const servers = Array.from({ length: peers }, (_, at) => ({
      at,
      peer: start(program('server.ts', `127.2.0.${at + 1}`)),
    }))
    const places: string[] = []
    for (const { at, peer } of servers) places.push(`127.2.0.${at + 1}:${await peer.line()}`)
    const port = await freePort()
    const command =
      contender === 'haproxy'
        ? await haproxy(directory, port, places, count, threads)
        : engine(contender, port, places, threads)
    const { child: director, line } = start(command)
    if (contender === 'haproxy') await pause(1000)
    else await line()
    await pause(settleMs)
    const before = { rss: await rssOf(director), slab: await slabBytes() }

    const clients = Array.from({ length: peers }, (_, at) => {
      const own = Math.floor(count / peers) + (at < count % peers ? 1 : 0)
      return start(program('client.ts', `127.3.0.${at + 1}`, `127.0.0.1:${port}`, String(own)))
    })
    const said = await Promise.all(clients.map(async (client) => (await client.line()).split(' ').map(Number)))
    await pause(settleMs)
    const after = { rss: await rssOf(director), slab: await slabBytes() }
    const sum = (numbers: readonly number[]): number => numbers.reduce((total, number) => total + number, 0)
    const opened = sum(said.map(([number = 0]) => number))
    for (const { child } of clients) child.stdin?.write('\n')
    const whole = await Promise.all(clients.map(async (client) => Number(await client.line())))
    return {
      opened,
      perSecond: opened / Math.max(...said.map(([, ms = 0]) => ms / 1000)),
      whole: sum(whole),
      rssBytes: (after.rss - before.rss) / count,
      kernelBytes: (after.slab - before.slab) / count / 2,
    }
  } finally {
    for (const child of children.reverse()) await end(child)
    await rm(directory, { recursive: true, force: true })
  }
}

function program(name: string, ...parts: readonly string[]): string[] {
  const path = fileURLToPath(new URL(`./${name}`, import.meta.url))
  return [process.execPath, '--import', import.meta.resolve('tsx'), path, ...parts]
}

function engine(plane: string, port: number, places: readonly string[], threads: number): string[] {
  return program('../userspace/director.ts', plane, String(threads), '127.0.0.1', [port, ...places].join())
}

async function haproxy(
  directory: string,
  port: number,
  places: readonly string[],
  count: number,
  threads: number,
): Promise<string[]> {
  const config = join(directory, 'haproxy.cfg')
  await writeFile(
    config,
    `global
  nbthread ${threads}
  maxconn ${count}
defaults
  mode tcp
  maxconn ${count}
  timeout client 900s
  timeout server 900s
  timeout connect 5s
listen all
  bind 127.0.0.1:${port} backlog 4096
  balance roundrobin
${places.map((place, at) => `  server s${at} ${place}`).join('\n')}
`,
  )
  return ['haproxy', '-q', '-db', '-f', config]
}

function startPeer([name = '', ...parts]: readonly string[]): Peer {
  const child = spawn(name, parts, { stdio: ['pipe', 'pipe', 'inherit'] })
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]()
  return {
    child,
    async line() {
      const late = pause(deadlineMs, undefined, { ref: false }).then(() => {
        throw new Error(`${parts.join(' ')} says nothing`)
      })
      const { value, done } = await Promise.race([lines.next(), late])
      if (done === true) throw new Error(`${parts.join(' ')} has ended`)
      return value
    },
  }
}

async function end(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return
  const exit = once(child, 'exit')
  child.kill('SIGKILL')
  await exit
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const address = server.address()
  server.close()
  await once(server, 'close')
  return address !== null && typeof address === 'object' ? address.port : 0
}

/** proc(5): what the process holds in memory. */
async function rssOf({ pid }: ChildProcess): Promise<number> {
  const status = await readFile(`/proc/${pid}/status`, 'utf8')
  return Number(/VmRSS:\s+(\d+) kB/u.exec(status)?.[1]) * 1024
}

/** All that the kernel holds in slabs, where sockets, files and epoll entries are. */
async function slabBytes(): Promise<number> {
  const info = await readFile('/proc/meminfo', 'utf8')
  return Number(/^Slab:\s+(\d+) kB/mu.exec(info)?.[1]) * 1024
}
