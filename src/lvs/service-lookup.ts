/** Which service a packet is for: ip_vs_service_find in ip_vs_ctl.c. */
import { ftpPort } from './persistence.ts'
import { type Endpoint, familyOf, type Protocol, type ServiceId } from './service.ts'

export const ftpDataPort = 20
/** The sysctl ip_unprivileged_port_start, by default. */
const firstUnprivilegedPort = 1024

/** Where to look, in this order; the first service that stands has it. */
export function* serviceCandidates(protocol: Protocol, { address, port }: Endpoint, mark: number): Iterable<ServiceId> {
  if (mark !== 0) yield { kind: 'fwmark', mark, family: familyOf(address) }
  yield { kind: 'address', protocol, address, port }
  // A data connection of an FTP service.
  if (protocol === 'tcp' && (port === ftpDataPort || port >= firstUnprivilegedPort))
    yield { kind: 'address', protocol, address, port: ftpPort }
  yield { kind: 'address', protocol, address, port: 0 }
}
