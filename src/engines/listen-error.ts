/** Why a service's address could not be taken, in the user's words. */
import { InfraError } from '../errors.ts'
import { type Service, serviceKey } from '../lvs/service.ts'

/** `errno` by name: EADDRINUSE … */
export function listenError(service: Service, errno: string): InfraError {
  const subject = serviceKey(service.id)
  const { address, port } = 'port' in service.id ? service.id : { address: '', port: 0 }
  const at = `listen on ${subject}: ${errno}`
  switch (errno) {
    case 'EADDRINUSE':
      return new InfraError('busy', at, {
        subject,
        retryable: true,
        hint: `another program holds port ${port}; see which with: ss -lnp 'sport = :${port}'`,
      })
    case 'EACCES':
    case 'EPERM':
      return new InfraError('permission', at, {
        subject,
        hint: `ports below 1024 need root or CAP_NET_BIND_SERVICE, or: sysctl net.ipv4.ip_unprivileged_port_start=${port}`,
      })
    case 'EADDRNOTAVAIL':
      return new InfraError('not-found', at, {
        subject,
        retryable: true,
        hint: `${address} is not an address of this host; add it with: ip address add ${address} dev INTERFACE`,
      })
    case 'EMFILE':
    case 'ENFILE':
      return new InfraError('no-space', at, { subject, retryable: true, hint: 'raise the open file limit: ulimit -n' })
    default:
      return new InfraError('failed', at, { subject })
  }
}
