/** Moves a guest as it runs: the daemon here speaks to the one there and sends the memory through that connection. */
import { InfraError } from '../../../errors.ts'
import type { CallOptions } from '../../hypervisor.ts'
import type { Connection } from '../connection.ts'
import type { Known } from '../observe.ts'

/** virDomainMigrateFlags: live, by the daemons themselves, through their connection, kept there, forgotten here. */
const flags = 1 | 2 | 4 | 8 | 16

/** `to`: a libvirt URI as the daemon of this host reaches the other one, such as `qemu+ssh://hv2/system`. */
export async function migrateGuest(
  connection: Connection,
  { domain, definition, isOurs }: Known,
  to: string,
  options: CallOptions,
): Promise<void> {
  // Without a transport or a host a daemon takes it for itself.
  if (!/^qemu(\+\w+:\/\/|:\/\/[^/])/.test(to))
    throw new InfraError('invalid', `migrate ${domain.name}: ${to} is no URI of another libvirt`, {
      subject: domain.name,
      hint: 'as the daemon of this host reaches the other one: qemu+ssh://HOST/system',
    })
  if (isOurs && definition.network.kind === 'user' && definition.network.forwards.length > 0)
    throw new InfraError('unsupported', `migrate ${domain.name}: the ports that lead to it are this host's`, {
      subject: domain.name,
      hint: 'give the guest a network on a bridge (`network: dhcp` or an address): its address goes along',
    })
  await connection
    .call('domainMigratePerform3Params', [domain, to, [], new Uint8Array(0), flags], options)
    .catch(explain)
}

function explain(error: unknown): never {
  if (error instanceof InfraError && /Unsafe migration/.test(error.message))
    throw new InfraError(error.code, error.message, {
      subject: error.subject,
      cause: error,
      hint: 'its disks have to lie where both hosts reach them, without a cache: `virsh edit`, <driver cache="none"/>',
    })
  throw error
}
