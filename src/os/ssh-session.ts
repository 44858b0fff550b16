/** The SSH session that this process was started from: sshd(8) tells its children of it, and sudo(8) may hide that. */
import { readFileSync } from 'node:fs'
import { addressFromBytes, parseAddress } from '../lvs/address.ts'

export type SshSession = { readonly client: string; readonly clientPort: number; readonly server: string }

/** More ancestors than that no shell has. */
const mostAncestors = 64

/**
 * The session of this process or its nearest ancestor that knows of one, while its connection stands in this network
 * namespace; undefined when there is none.
 */
export function ownSshSession(): SshSession | undefined {
  let pid = process.pid
  for (let depth = 0; depth < mostAncestors && pid > 1; depth++) {
    const session = sessionIn(textOf(`/proc/${pid}/environ`))
    if (session !== undefined) return isEstablished(session) ? session : undefined
    pid = parentIn(textOf(`/proc/${pid}/stat`))
  }
  return undefined
}

/** `environment`: NAME=VALUE, each with a NUL behind it, as in proc_pid_environ(5). */
export function sessionIn(environment: string): SshSession | undefined {
  const written = environment.split('\0').find((entry) => entry.startsWith('SSH_CONNECTION='))
  const [client = '', port, server = ''] = written?.slice('SSH_CONNECTION='.length).split(' ') ?? []
  const [from, to] = [parseAddress(client), parseAddress(server)]
  return from === undefined || to === undefined ? undefined : { client: from, clientPort: Number(port), server: to }
}

/** proc_pid_stat(5): the command's name, in parentheses, may have any character. */
function parentIn(stat: string): number {
  return Number(
    stat
      .slice(stat.lastIndexOf(')') + 1)
      .trim()
      .split(' ')[1] ?? 0,
  )
}

/** One of a shell that outlived its session (tmux, nohup) leads nowhere any more; one of another namespace not by our interfaces. */
function isEstablished({ client, clientPort }: SshSession): boolean {
  return ['tcp', 'tcp6'].some((table) => hasEstablished(textOf(`/proc/self/net/${table}`), client, clientPort))
}

const TCP_ESTABLISHED = '01'

/** `table`: /proc/net/tcp or tcp6, whose addresses are words in the machine's own order: proc_pid_net(5). */
export function hasEstablished(table: string, client: string, port: number): boolean {
  return table.split('\n').some((line) => {
    const [, , remote = '', state] = line.trim().split(/\s+/u)
    const [hex = '', portHex = ''] = remote.split(':')
    return state === TCP_ESTABLISHED && Number.parseInt(portHex, 16) === port && addressOf(hex) === client
  })
}

const mappedIpv4 = '00000000000000000000ffff'

function addressOf(hex: string): string | undefined {
  const text = (hex.match(/.{8}/gu) ?? [])
    .map((word) => (word.match(/../gu) ?? []).reverse().join(''))
    .join('')
    .toLowerCase()
  const own = text.startsWith(mappedIpv4) ? text.slice(mappedIpv4.length) : text
  if (own.length !== 8 && own.length !== 32) return undefined
  return addressFromBytes(Buffer.from(own, 'hex'), own.length === 8 ? 'ipv4' : 'ipv6')
}

/** Empty for what cannot be read: a process that has ended, or is another user's. */
function textOf(file: string): string {
  try {
    return readFileSync(file, 'utf8')
  } catch {
    return ''
  }
}
