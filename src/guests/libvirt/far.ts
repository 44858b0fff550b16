/** libvirt's URIs of another machine (docs/uri.html): `qemu+ssh://USER@HOST:PORT/system`, with `?socket=PATH` behind it. */
import { InfraError } from '../../errors.ts'
import { type Destination, parseDestination } from '../../hosts/ssh/destination.ts'

export type FarLibvirt = {
  readonly destination: Destination
  /** As that machine itself has it: `qemu:///system`. */
  readonly uri: string
}

/** Parameters that say how libvirt's own client gets there: here ssh_config(5) says it. */
const instead: Readonly<Record<string, string>> = {
  keyfile: 'IdentityFile',
  known_hosts: 'UserKnownHostsFile',
  known_hosts_verify: 'StrictHostKeyChecking',
  no_verify: 'StrictHostKeyChecking',
  sshauth: 'PreferredAuthentications',
}

/** undefined for a URI that says nothing of SSH. @throws InfraError `invalid`, `unsupported` */
export function parseFarUri(uri: string): FarLibvirt | undefined {
  const [, place, kind, query = ''] = /^qemu\+(?:ssh|libssh2?):\/\/([^/?#]*)\/([^?#]*)(?:\?(.*))?$/.exec(uri) ?? []
  if (place === undefined) return undefined
  const destination = parseDestination(place)
  if (destination === undefined || (kind !== 'system' && kind !== 'session'))
    throw new InfraError('invalid', `${uri} names no libvirt of another machine`, {
      subject: uri,
      hint: 'write qemu+ssh://HOST/system, USER@HOST or HOST:PORT in the place of HOST, or …/session',
    })
  const parameters = new URLSearchParams(query)
  for (const name of parameters.keys())
    if (name !== 'socket')
      throw new InfraError('unsupported', `${uri}: the parameter ${name} is not understood`, {
        subject: uri,
        hint:
          instead[name] === undefined
            ? 'leave it out: the socket is forwarded by SSH itself'
            : `say it in ~/.ssh/config: ${instead[name]} under Host ${destination.host}`,
      })
  const socket = parameters.get('socket')
  return { destination, uri: `qemu:///${kind}${socket === null ? '' : `?socket=${encodeURIComponent(socket)}`}` }
}
