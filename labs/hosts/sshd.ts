/** A real sshd with keys, users and process table of its own, on a port of loopback: it ends with whatever it has started. */
import { execFile, spawn } from 'node:child_process'
import { once } from 'node:events'
import { chmod, mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { eventually, openLoopback } from '../net/loopback.ts'

const run = promisify(execFile)

export type Sshd = AsyncDisposable & {
  readonly port: number
  /** Everything of this lab; its `work` is writable for both users. */
  readonly directory: string
  /** The line of its key for a known_hosts file. */
  readonly knownLine: string
  /** For the environment of who connects: an ssh_config(5) with the key and the known hosts of this lab. */
  readonly environment: Readonly<Record<string, string>>
  /** Written anew: `lines` are added to the ssh_config. */
  configure(lines: readonly string[]): Promise<void>
  /** Ends every connection there is, as a cable that is pulled, and goes on listening. */
  cut(): Promise<void>
}

/** A user beside root, who may do everything by sudo(8) without a password. */
export const operator = 'operator'

/** Where it runs, when not in the machine's own network: a network namespace, and what of its files are others there. */
export type SshdPlace = {
  readonly namespace?: string
  readonly address?: string
  /** Directories by their places: mounted over what stands there, for it and what it starts alone. */
  readonly mounts?: Readonly<Record<string, string>>
}

/** `lines` are added to its sshd_config(5), before all others. Needs root. */
export async function startSshd(
  lines: readonly string[] = [],
  { namespace, address = '127.0.0.1', mounts = {} }: SshdPlace = {},
): Promise<Sshd> {
  const directory = await mkdtemp(join(tmpdir(), 'baton-sshd-'))
  await chmod(directory, 0o755)
  await mkdir(join(directory, 'desk'))
  await chmod(join(directory, 'desk'), 0o777)
  for (const name of ['host', 'client'])
    await run('ssh-keygen', ['-q', '-t', 'ed25519', '-N', '', '-C', name, '-f', join(directory, name)])
  await using loopback = openLoopback()
  const { port } = await loopback.freePlace()
  await writeUsers(directory)
  await writeFile(join(directory, 'sshd_config'), sshdConfig(directory, address, port, lines))
  const hostKey = (await readFile(join(directory, 'host.pub'), 'utf8')).split(' ').slice(0, 2).join(' ')
  const knownLine = `[${address}]:${port} ${hostKey}`
  await writeFile(join(directory, 'known_hosts'), `${knownLine}\n`)
  const configure = (more: readonly string[]): Promise<void> =>
    writeFile(join(directory, 'ssh_config'), clientConfig(directory, more))
  await configure([])
  const pairs = Object.entries(mounts).flat()
  const world = [
    ...['unshare', '--mount', '--pid', '--fork', '--kill-child', '--mount-proc'],
    ...['sh', '-ec', worldScript, 'sshd', directory, ...pairs],
  ]
  // ip-netns(8) becomes what it runs, so that the child is unshare(1) there, too.
  const [program = '', ...words] = [...(namespace === undefined ? [] : ['ip', 'netns', 'exec', namespace]), ...world]
  const child = spawn(program, words, { stdio: ['ignore', 'ignore', 'pipe'] })
  let said = ''
  child.stderr.on('data', (chunk: Buffer) => {
    said += chunk.toString()
  })
  const ended = once(child, 'exit')
  const stop = async (): Promise<void> => {
    child.kill('SIGKILL')
    await ended
    await rm(directory, { recursive: true, force: true })
  }
  try {
    await eventually('sshd listens', () => {
      if (child.exitCode !== null) throw new Error(`sshd ended: ${said}`)
      return said.includes('Server listening')
    })
  } catch (error) {
    await stop()
    throw error
  }
  return {
    port,
    directory,
    knownLine,
    environment: { BATON_SSH_CONFIG: join(directory, 'ssh_config') },
    configure,
    cut: async () => {
      await run('pkill', ['-KILL', '-P', await soleChild(child.pid ?? 0), '-x', 'sshd'])
    },
    [Symbol.asyncDispose]: stop,
  }
}

/** The listening sshd, as this machine numbers it: the one child of unshare(1). */
async function soleChild(pid: number): Promise<string> {
  return (await readFile(`/proc/${pid}/task/${pid}/children`, 'utf8')).trim()
}

/** In namespaces of its own this machine's users are others. */
const worldScript = `
for name in passwd shadow sudoers; do mount --bind "$1/$name" "/etc/$name"; done
directory=$1; shift
while [ $# -gt 1 ]; do mkdir -p "$1"; mount --bind "$2" "$1"; shift 2; done
mkdir -p /run/sshd
exec /usr/sbin/sshd -D -e -f "$directory/sshd_config"`

async function writeUsers(directory: string): Promise<void> {
  const home = join(directory, 'home')
  await mkdir(home)
  await run('chown', ['4242:4242', home])
  const users = await readFile('/etc/passwd', 'utf8')
  // Not root's own home: what a shell reads there is this machine's.
  const own = users.replace(/^root:.*$/m, `root:x:0:0::${directory}/desk:/bin/bash`)
  await writeFile(join(directory, 'passwd'), `${own}${operator}:x:4242:4242::${home}:/bin/sh\n`)
  const shadow = await readFile('/etc/shadow', 'utf8')
  await writeFile(join(directory, 'shadow'), `${shadow}${operator}:*:19000:0:99999:7:::\n`, { mode: 0o640 })
  await writeFile(join(directory, 'sudoers'), `root ALL=(ALL:ALL) ALL\n${operator} ALL=(ALL:ALL) NOPASSWD: ALL\n`)
  await chmod(join(directory, 'sudoers'), 0o440)
}

function sshdConfig(directory: string, address: string, port: number, lines: readonly string[]): string {
  return [
    ...lines,
    `Port ${port}`,
    `ListenAddress ${address}`,
    `HostKey ${directory}/host`,
    `AuthorizedKeysFile ${directory}/client.pub`,
    'PermitRootLogin prohibit-password',
    'PasswordAuthentication no',
    'KbdInteractiveAuthentication no',
    'StrictModes no',
    'UsePAM no',
    'PidFile none',
    '',
  ].join('\n')
}

function clientConfig(directory: string, lines: readonly string[]): string {
  return [
    ...lines,
    `IdentityFile ${directory}/client`,
    'IdentitiesOnly yes',
    `UserKnownHostsFile ${directory}/known_hosts`,
    'GlobalKnownHostsFile none',
    '',
  ].join('\n')
}
