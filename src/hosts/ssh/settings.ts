/**
 * How a host is reached: what ssh_config(5) says, asked from `ssh -G`, so that Host and Match blocks, Include and tokens
 * mean here what they mean to ssh(1). Without an ssh program there is only what the destination itself says.
 */
import { homedir, userInfo } from 'node:os'
import { join } from 'node:path'
import { InfraError, isInfraError } from '../../errors.ts'
import { runCommand } from '../local/processes.ts'
import { type Destination, formatDestination } from './destination.ts'

export type SshSettings = {
  readonly host: string
  readonly port: number
  readonly user: string
  /** The name under which the host's key is kept, when it is not its address. */
  readonly keyAlias?: string
  /** In the order in which they are tried. */
  readonly identityFiles: readonly string[]
  /** Only these keys, also of those that an agent has. */
  readonly identitiesOnly: boolean
  /** The agent's socket. */
  readonly agent?: string
  /** The first one gets the keys that are accepted new. */
  readonly userKnownHosts: readonly string[]
  readonly globalKnownHosts: readonly string[]
  /** A key that is seen for the first time is believed and written down: StrictHostKeyChecking accept-new. */
  readonly acceptsNew: boolean
  /** Its standard input and output are the connection: ProxyCommand, or ssh -W through a ProxyJump. */
  readonly proxy?: readonly string[]
}

type Environment = Readonly<Record<string, string | undefined>>

/** @throws InfraError `invalid` when ssh(1) does not understand its own configuration. */
export async function readSettings(
  destination: Destination,
  { environment, signal }: { readonly environment: Environment; readonly signal: AbortSignal },
): Promise<SshSettings> {
  const { host, user, port } = destination
  const file = environment['BATON_SSH_CONFIG']
  const command = [
    ...['ssh', '-G', ...(file === undefined ? [] : ['-F', file])],
    ...(port === undefined ? [] : ['-p', String(port)]),
    ...(user === undefined ? [] : ['-l', user]),
    ...['--', host],
  ]
  const answer = await runCommand(command, { signal }).catch((error: unknown) => {
    if (isInfraError(error, 'missing-tool')) return undefined
    throw error
  })
  if (answer !== undefined && answer.code !== 0)
    throw new InfraError('invalid', `ssh -G ${host}: ${answer.stderr.trim()}`, {
      subject: formatDestination(destination),
      hint: `mend ${file ?? '~/.ssh/config'}`,
    })
  return settingsFrom(answer?.stdout ?? '', destination, {
    environment,
    home: homedir(),
    self: userInfo().username,
    file,
  })
}

const defaultKeys = ['id_ed25519', 'id_ecdsa', 'id_rsa']

/** `text`: what `ssh -G` printed; empty: nothing is configured. */
export function settingsFrom(
  text: string,
  destination: Destination,
  from: {
    readonly environment: Environment
    readonly home: string
    readonly self: string
    readonly file?: string | undefined
  },
): SshSettings {
  const values = new Map<string, string[]>()
  for (const line of text.split('\n')) {
    const [, key = '', value = ''] = /^(\S+) (.*)$/.exec(line) ?? []
    if (key !== '') values.set(key, [...(values.get(key) ?? []), value])
  }
  const first = (key: string): string | undefined => values.get(key)?.find((value) => value !== 'none')
  const port = Number(first('port') ?? destination.port ?? 22)
  const user = first('user') ?? destination.user ?? from.self
  const host = first('hostname') ?? destination.host
  const place = (path: string): string =>
    path.replace(/^~(?=\/|$)/, from.home).replaceAll(/%[dhru%]/g, (token) => {
      return { '%d': from.home, '%h': host, '%r': user, '%u': from.self, '%%': '%' }[token] ?? token
    })
  const listOf = (key: string, otherwise: readonly string[]): string[] =>
    (values.get(key)?.[0]?.split(' ') ?? otherwise).filter((path) => path !== 'none').map(place)
  const alias = first('hostkeyalias')
  const agent = agentSocket(values.get('identityagent')?.[0], from.environment)
  const proxy = proxyOf(first('proxycommand'), first('proxyjump'), host, port, from.file)
  return {
    host,
    port,
    user,
    identityFiles: (values.get('identityfile') ?? defaultKeys.map((key) => join('~/.ssh', key))).map(place),
    identitiesOnly: first('identitiesonly') === 'yes',
    userKnownHosts: listOf('userknownhostsfile', ['~/.ssh/known_hosts']),
    globalKnownHosts: listOf('globalknownhostsfile', ['/etc/ssh/ssh_known_hosts']),
    acceptsNew: ['accept-new', 'false', 'no', 'off'].includes(first('stricthostkeychecking') ?? ''),
    ...(alias === undefined ? {} : { keyAlias: alias }),
    ...(agent === undefined ? {} : { agent: place(agent) }),
    ...(proxy === undefined ? {} : { proxy }),
  }
}

function agentSocket(configured: string | undefined, environment: Environment): string | undefined {
  if (configured === 'none') return undefined
  if (configured === undefined || configured === 'SSH_AUTH_SOCK') return environment['SSH_AUTH_SOCK']
  return configured.startsWith('$') ? environment[configured.replaceAll(/[${}]/g, '')] : configured
}

function proxyOf(
  command: string | undefined,
  jump: string | undefined,
  host: string,
  port: number,
  file: string | undefined,
): readonly string[] | undefined {
  const target = host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`
  if (command !== undefined) {
    const expanded = command.replaceAll(/%[hp%]/g, (token) => ({ '%h': host, '%p': String(port) })[token] ?? '%')
    return ['sh', '-c', `exec ${expanded}`]
  }
  if (jump === undefined) return undefined
  const hops = jump.split(',')
  const before = hops.slice(0, -1)
  const config = file === undefined ? [] : ['-F', file]
  const through = before.length === 0 ? [] : ['-J', before.join(',')]
  return ['ssh', ...config, '-o', 'BatchMode=yes', ...through, '-W', target, '--', sshUri(hops.at(-1) ?? '')]
}

/** ssh(1) takes a port in its destination only in the form of a URI. */
function sshUri(hop: string): string {
  return /:\d+$/.test(hop) && !hop.startsWith('ssh://') ? `ssh://${hop}` : hop
}
