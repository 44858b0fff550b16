/** Which libvirt daemon, and the first words to it (docs/uri.html, docs/drvremote). */
import { InfraError, isInfraError } from '../../errors.ts'
import type { Host } from '../../hosts/host.ts'
import { howToInstall } from '../../hosts/install.ts'
import type { CallOptions } from '../hypervisor.ts'
import { type Connection, libvirtConnection } from './connection.ts'

/** Where a daemon listens, and what it is asked to open there. */
export type Daemon = { readonly uri: string; readonly sockets: readonly string[] }

/** enum remote_auth_type. */
const auth = { none: 0, polkit: 2 } as const
/** VIR_DRV_FEATURE_PROGRAM_KEEPALIVE: asking for it also lets the daemon look after us. */
const keepaliveFeature = 10

/**
 * LIBVIRT_DEFAULT_URI comes first, as for virsh(1): `qemu:///system`, `qemu:///session`, `?socket=PATH` included; then
 * root has the system's daemon and everybody else their own. `uri`: chosen already, whatever the environment says.
 * @throws InfraError `unsupported` for other URIs.
 */
export async function findDaemon(host: Host, options: CallOptions, uri?: string): Promise<Daemon> {
  const script =
    'printf "%s\\n" "$LIBVIRT_DEFAULT_URI" "$(id -u)" "${XDG_RUNTIME_DIR:-${XDG_CACHE_HOME:-$HOME/.cache}}"'
  const { stdout } = await host.run(['sh', '-c', script], options)
  const [environment = '', uid, directory = ''] = stdout.split('\n')
  const chosen = uri ?? environment
  return daemonOf(chosen === '' ? `qemu:///${uid === '0' ? 'system' : 'session'}` : chosen, directory)
}

/** `directory`: of the user's own sockets. @throws InfraError `unsupported` */
export function daemonOf(uri: string, directory: string): Daemon {
  const [, kind, query = ''] = /^qemu(?:\+unix)?:\/\/\/(system|session)(?:\?(.*))?$/.exec(uri) ?? []
  if (kind === undefined)
    throw new InfraError('unsupported', `${uri} is no QEMU of this machine`, {
      subject: uri,
      hint: 'qemu:///system and qemu:///session are, and qemu+ssh://HOST/system is one of another',
    })
  const socket = new URLSearchParams(query).get('socket')
  const base = kind === 'system' ? '/run/libvirt' : `${directory}/libvirt`
  // libvirtd or virtproxyd serves everything; virtqemud, where only that runs, guests.
  const sockets = socket === null ? [`${base}/libvirt-sock`, `${base}/virtqemud-sock`] : [socket]
  return { uri: `qemu:///${kind}`, sockets }
}

/** Whether a daemon listens that can be had: nothing is started. */
export async function isThere(host: Host, options: CallOptions): Promise<boolean> {
  const daemon = await findDaemon(host, options).catch((error: unknown) => {
    if (isInfraError(error, 'unsupported')) return undefined
    throw error
  })
  if (daemon === undefined) return false
  const { sockets } = daemon
  const { code } = await host.run(
    ['sh', '-c', 'for s; do test -S "$s" && exit 0; done; exit 1', 'sh', ...sockets],
    options,
  )
  return code === 0
}

/** @throws InfraError `missing-tool` when no daemon runs; `permission` when it does not let this user in. */
export async function openLibvirt(host: Host, daemon: Daemon, options: CallOptions): Promise<Connection> {
  const connection = libvirtConnection(await connectSocket(host, daemon, options), `libvirt on ${host.name}`)
  try {
    const [ways] = await connection.call('authList', [], options)
    if (ways.includes(auth.polkit)) await connection.call('authPolkit', [], options)
    else if (!ways.includes(auth.none))
      throw new InfraError('unsupported', `libvirt on ${host.name} wants a password (SASL)`, {
        subject: host.name,
        hint: 'set auth_unix_rw to "none" or "polkit" in libvirtd.conf',
      })
    await connection.call('connectSupportsFeature', [keepaliveFeature], options)
    await connection.call('connectOpen', [daemon.uri, 0], options)
    return connection
  } catch (error) {
    connection.close()
    throw error
  }
}

async function connectSocket(host: Host, { uri, sockets }: Daemon, options: CallOptions) {
  const open = async () => {
    for (const [index, socket] of sockets.entries())
      try {
        return await host.connect(socket, options)
      } catch (error) {
        const isLast = index === sockets.length - 1
        if (isLast || !isInfraError(error) || !['not-found', 'unreachable'].includes(error.code)) throw error
      }
    throw new InfraError('not-found', 'libvirt has no socket', { subject: uri })
  }
  try {
    return await open()
  } catch (error) {
    if (!isInfraError(error) || !['not-found', 'unreachable'].includes(error.code)) throw error
    if (uri.endsWith('session') && (await startSession(host, options))) return open()
    throw new InfraError('missing-tool', `no libvirt daemon listens on ${sockets[0]}`, {
      subject: uri,
      cause: error,
      hint: `${await howToInstall(host, 'libvirt', options)} (or baton host prepare --as kvm), or use \`hypervisor: qemu\``,
    })
  }
}

/** A user's daemon ends by itself when it has had no client for two minutes: whoever comes next starts it. */
async function startSession(host: Host, options: CallOptions): Promise<boolean> {
  try {
    const { code } = await host.run(['libvirtd', '--daemon', '--timeout=120'], options)
    return code === 0
  } catch (error) {
    if (!isInfraError(error, 'missing-tool')) throw error
    return false
  }
}
