/** Listening sockets of other processes on this machine, found by their ports. */
import { readdir, readFile, readlink } from 'node:fs/promises'
import { listenAgain } from '../../os/pidfd.ts'

/** See `Host.widenBacklog`. */
export async function widenBacklog(pid: number, ports: readonly number[], backlog: number): Promise<number> {
  const inodes = await listeningInodes(pid, new Set(ports))
  let widened = 0
  for (const fd of await descriptorsOf(pid, inodes)) {
    try {
      listenAgain(pid, fd, backlog)
      widened += 1
    } catch {
      // Not allowed, or it ended: the socket listens on as it did.
    }
  }
  return widened
}

/** The sockets in state LISTEN (0A) of proc_pid_net(5)'s tcp table, as the process itself sees it. */
async function listeningInodes(pid: number, ports: ReadonlySet<number>): Promise<ReadonlySet<string>> {
  const tables = await Promise.all(
    ['tcp', 'tcp6'].map((name) => readFile(`/proc/${pid}/net/${name}`, 'utf8').catch(() => '')),
  )
  const found = new Set<string>()
  for (const line of tables.join('\n').split('\n')) {
    const [, local = '', , state, , , , , , inode] = line.trim().split(/\s+/)
    const port = Number.parseInt(local.split(':')[1] ?? '', 16)
    if (state === '0A' && inode !== undefined && ports.has(port)) found.add(`socket:[${inode}]`)
  }
  return found
}

async function descriptorsOf(pid: number, sockets: ReadonlySet<string>): Promise<readonly number[]> {
  const names = await readdir(`/proc/${pid}/fd`).catch(() => [])
  const targets = await Promise.all(names.map((name) => readlink(`/proc/${pid}/fd/${name}`).catch(() => '')))
  return names.flatMap((name, at) => (sockets.has(targets[at] ?? '') ? [Number(name)] : []))
}
