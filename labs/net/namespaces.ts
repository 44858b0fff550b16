/** Network namespaces in a row, joined by veth pairs, for tests and benchmarks as root. They vanish with their owner. */
import { type ChildProcess, execFile, spawn } from 'node:child_process'
import { promisify } from 'node:util'

const execute = promisify(execFile)

export type Chain = AsyncDisposable & {
  readonly namespaces: readonly string[]
  /** `10.HIGH.LINK.1` is the left end of a link, `.2` its right end. Link 0 joins the first two namespaces. */
  address(link: number, end: 1 | 2): string
  /** Starts a program inside; it is killed with the chain. */
  start(namespace: number, command: readonly string[]): ChildProcess
  /** Runs a program inside to its end. @throws Error with its output when it fails. */
  run(namespace: number, command: readonly string[], timeoutMs?: number): Promise<string>
}

export function isRoot(): boolean {
  return process.getuid?.() === 0
}

/** Makes `count` namespaces; those in the middle forward. `tag`: of several chains of one process. @throws Error without root. */
export async function openChain(count: number, tag = ''): Promise<Chain> {
  const names = Array.from({ length: count }, (_, index) => `baton-${process.pid}-${tag}${index}`)
  const high = 64 + (process.pid % 128)
  const address = (link: number, end: 1 | 2): string => `10.${high}.${link}.${end}`
  const children = new Set<ChildProcess>()
  const ip = (...parts: string[]): Promise<unknown> => execute('ip', parts)
  const inside = (name: string, command: readonly string[]): string[] => ['netns', 'exec', name, ...command]

  const chain: Chain = {
    namespaces: names,
    address,
    start(namespace, command) {
      const child = spawn('ip', inside(names[namespace] ?? '', command), { stdio: ['pipe', 'pipe', 'inherit'] })
      children.add(child)
      child.once('exit', () => children.delete(child))
      return child
    },
    async run(namespace, command, timeoutMs = 60_000) {
      const { stdout } = await execute('ip', inside(names[namespace] ?? '', command), { timeout: timeoutMs })
      return stdout
    },
    async [Symbol.asyncDispose]() {
      for (const child of children) child.kill('SIGKILL')
      for (const name of names) await ip('netns', 'delete', name).catch(() => undefined)
    },
  }
  try {
    for (const name of names) {
      await ip('netns', 'add', name)
      await ip('-n', name, 'link', 'set', 'lo', 'up')
      await chain.run(names.indexOf(name), ['sysctl', '-qw', ...sysctls])
    }
    for (let link = 0; link + 1 < count; link++) await joinPair(ip, names, link, address)
    await addRoutes(ip, names, address)
    return chain
  } catch (error) {
    await chain[Symbol.asyncDispose]()
    throw error
  }
}

const sysctls = [
  'net.ipv4.ip_forward=1',
  'net.ipv4.ip_local_port_range=2000 65000',
  'net.ipv4.tcp_tw_reuse=1',
  'net.core.somaxconn=8192',
  'net.ipv4.tcp_max_syn_backlog=8192',
]

type Ip = (...parts: string[]) => Promise<unknown>

async function joinPair(ip: Ip, names: readonly string[], link: number, address: Chain['address']): Promise<void> {
  const [left, right] = [names[link] ?? '', names[link + 1] ?? '']
  await ip('-n', left, 'link', 'add', `right${link}`, 'type', 'veth', 'peer', 'name', `left${link}`, 'netns', right)
  await ip('-n', left, 'address', 'add', `${address(link, 1)}/24`, 'dev', `right${link}`)
  await ip('-n', right, 'address', 'add', `${address(link, 2)}/24`, 'dev', `left${link}`)
  await ip('-n', left, 'link', 'set', `right${link}`, 'up')
  await ip('-n', right, 'link', 'set', `left${link}`, 'up')
}

/** Everything not on a link of one's own lies left or right of it. */
async function addRoutes(ip: Ip, names: readonly string[], address: Chain['address']): Promise<void> {
  for (const [at, name] of names.entries())
    for (let link = 0; link + 1 < names.length; link++) {
      if (link === at || link + 1 === at) continue
      const via = link > at ? address(at, 2) : address(at - 1, 1)
      await ip('-n', name, 'route', 'add', `${address(link, 1)}/24`.replace(/\.1\/24$/u, '.0/24'), 'via', via)
    }
}
