/** The ports of the host's loopback that lead to a guest on QEMU's user network. */
import { InfraError } from '../../errors.ts'
import type { Host } from '../../hosts/host.ts'
import type { CallOptions, GuestDefinition, GuestReach } from '../hypervisor.ts'
import { forwardBacklog } from '../qemu/launch.ts'
import { forwardChanges, forwardRule } from '../qemu/user-network.ts'
import type { Connection } from './connection.ts'
import type { Notes } from './domain.ts'
import { type Domain, monitor, reachOf } from './observe.ts'

/** libvirt's name of the first interface's network in QEMU. */
const netdev = 'hostnet0'

/**
 * Makes the forwards of a running guest what they should be; ports of its last run are asked for first, so that it stays
 * where it was. Resolves to where it is reached now.
 */
export async function setForwards(
  connection: Connection,
  domain: Domain,
  guest: GuestDefinition,
  last: Notes['ports'],
  options: CallOptions,
): Promise<readonly GuestReach[]> {
  if (guest.network.kind !== 'user') return []
  const standing = await reachOf(connection, domain, options)
  for (const line of forwardChanges(standing, guest.network.forwards)) {
    const rule = /^hostfwd_add net0 (tcp|udp):127\.0\.0\.1:0-:(\d+)$/.exec(line)
    const before = last?.find(({ protocol, guestPort }) => protocol === rule?.[1] && guestPort === Number(rule[2]))
    const again =
      before && `hostfwd_add net0 ${forwardRule({ protocol: before.protocol, port: before.guestPort }, before.port)}`
    // Whichever port somebody else has by now is chosen anew by the kernel.
    if (again !== undefined && (await tell(connection, domain, again, options)) === undefined) continue
    const refused = await tell(connection, domain, line, options)
    if (refused !== undefined) throw new InfraError('failed', `${line}: ${refused}`, { subject: guest.name })
  }
  return reachOf(connection, domain, options)
}

/** Resolves to what QEMU has against it. */
async function tell(
  connection: Connection,
  domain: Domain,
  line: string,
  options: CallOptions,
): Promise<string | undefined> {
  const answer = (await monitor(connection, domain, line.replace(' net0 ', ` ${netdev} `), options)).trim()
  return answer === '' || answer.endsWith('removed') ? undefined : answer
}

/** Ports that take many connections at once. `socket`: of the daemon, beside which it keeps its guests' process ids. */
export async function widenForwards(
  host: Host,
  runtime: string,
  name: string,
  reach: readonly GuestReach[],
  options: CallOptions,
): Promise<void> {
  const ports = reach.filter(({ protocol }) => protocol === 'tcp').map(({ port }) => port)
  if (ports.length === 0) return
  for (const file of [`${runtime}/qemu/${name}.pid`, `${runtime}/qemu/run/${name}.pid`]) {
    const pid = Number(new TextDecoder().decode((await host.readFile(file, options)) ?? new Uint8Array(0)))
    if (pid > 0) await host.widenBacklog(pid, ports, forwardBacklog, options)
  }
}
