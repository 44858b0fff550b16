/** The Host port over SSH: one connection for all that is asked of a host, opened when it is first needed. */
import type { Duplex } from 'node:stream'
import { InfraError } from '../../errors.ts'
import { directoriesFromEnvironment } from '../directories.ts'
import { factsFrom } from '../facts.ts'
import type { CallOptions, Directories, Host, HostFacts } from '../host.ts'
import { openConnection, type SshConnection } from './connection.ts'
import { type Destination, formatDestination } from './destination.ts'
import { remoteFiles } from './files.ts'
import { remoteLocks } from './locks.ts'
import { type Remote, runOwn, runRemote, signalRemote, spawnRemote } from './processes.ts'
import { openSessions, type Sessions } from './sessions.ts'
import { readSettings } from './settings.ts'
import { connectSocket } from './sockets.ts'

export type SshOptions = {
  /** How it is called in what Baton prints; left out, its destination. */
  readonly name?: string
  /** Commands run as root by sudo(8), for a user who is not root. */
  readonly sudo?: boolean
  /** Where ssh's configuration and the agent are found: BATON_SSH_CONFIG, SSH_AUTH_SOCK. */
  readonly environment?: Readonly<Record<string, string | undefined>>
}

export type SshHost = Host & AsyncDisposable

/** So many locks of one host are held at once by one process, times the sessions of a connection. */
const lockConnections = 8

/**
 * Connects and asks the host who we are there. @throws InfraError `unreachable`, `permission` (its key is not known,
 * ours are not taken, sudo asks for a password), `invalid`, `timeout`, `cancelled`.
 */
export async function openSshHost(
  destination: Destination,
  { name = formatDestination(destination), sudo = false, environment = process.env }: SshOptions,
  { signal }: CallOptions,
): Promise<SshHost> {
  const settings = await readSettings(destination, { environment, signal })
  const connect = (soon: AbortSignal): Promise<SshConnection> => openConnection(name, settings, { signal: soon })
  const sessions = openSessions(name, connect, 1)
  const locks = openSessions(name, connect, lockConnections)
  const remote: Remote = { name, sudo, sessions }
  try {
    const directories = await remoteDirectories(remote, { signal })
    return sshHost(remote, locks, directories)
  } catch (error) {
    sessions.close()
    throw error
  }
}

function sshHost(remote: Remote, locks: Sessions, directories: Directories): SshHost {
  return {
    name: remote.name,
    directories,
    facts: (options) => remoteFacts(remote, options),
    run: (command, options) => runRemote(remote, command, options),
    spawn: (command, options) => spawnRemote(remote, command, options),
    ...remoteFiles(remote),
    connect: (path, options): Promise<Duplex> => connectSocket(remote, path, options),
    lock: remoteLocks(remote, locks),
    signal: (pid, signal, options) => signalRemote(remote, pid, signal, options),
    // Another machine's sockets cannot be touched from here: none was changed.
    widenBacklog: async () => 0,
    async [Symbol.asyncDispose]() {
      remote.sessions.close()
      locks.close()
    },
  }
}

const whoScript = String.raw`
id -u
for name in HOME XDG_RUNTIME_DIR XDG_STATE_HOME XDG_CACHE_HOME BATON_RUNTIME_DIR BATON_STATE_DIR BATON_CACHE_DIR; do
  eval "value=\${$name-}"
  [ -z "$value" ] || printf '%s=%s\n' "$name" "$value"
done`

async function remoteDirectories(remote: Remote, options: CallOptions): Promise<Directories> {
  const { stdout, stderr } = await runOwn(remote, whoScript, [], 'ask who we are', options)
  const [uid = '', ...lines] = stdout.toString().split('\n')
  if (!/^\d+$/.test(uid))
    throw new InfraError('failed', `ask who we are on ${remote.name}: ${stderr.trim()}`, { subject: remote.name })
  const variables = lines.map((line) => [line.slice(0, line.indexOf('=')), line.slice(line.indexOf('=') + 1)] as const)
  return directoriesFromEnvironment(Object.fromEntries(variables), Number(uid))
}

const factsScript = String.raw`
part() { printf '\001%s\n' "$1"; shift; "$@" 2>/dev/null; }
part hostname uname -n
part machine uname -m
part kernel uname -r
part osRelease cat /etc/os-release
part meminfo cat /proc/meminfo
part cpuinfo grep -m1 -E '^(flags|Features)' /proc/cpuinfo
part bootId cat /proc/sys/kernel/random/boot_id
part cpus nproc
part uid id -u`

async function remoteFacts(remote: Remote, options: CallOptions): Promise<HostFacts> {
  const { stdout } = await runOwn(remote, factsScript, [], 'ask for its facts', options)
  const parts = new Map<string, string>()
  for (const part of stdout.toString().split('\u0001').slice(1))
    parts.set(part.slice(0, part.indexOf('\n')), part.slice(part.indexOf('\n') + 1))
  const of = (key: string): string => parts.get(key) ?? ''
  return factsFrom({
    hostname: of('hostname'),
    machine: of('machine'),
    kernel: of('kernel'),
    osRelease: of('osRelease'),
    meminfo: of('meminfo'),
    cpuinfo: of('cpuinfo'),
    bootId: of('bootId'),
    cpus: Number(of('cpus')) || 1,
    isRoot: of('uid').trim() === '0',
  })
}
