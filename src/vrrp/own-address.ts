/** Which of this machine's addresses a router speaks from on a path: the same one for as long as it stands. Pure. */
import { isInNetwork } from '../lvs/address.ts'
import { type Family, familyOf } from '../lvs/service.ts'
import type { InterfaceAddress } from '../wire/rtnetlink.ts'
import type { HeartbeatPath } from './machine/config.ts'

const linkLocal = { address: 'fe80::', prefix: 10 }

/**
 * The configured one, or the interface's first that is no virtual router's (`isHeld`). Over IPv6 a link-local one
 * (RFC 9568 §5.1.2.1), except among peers that have others. undefined where there is none, or not yet.
 */
export function ownAddress(
  { to }: HeartbeatPath,
  family: Family,
  addresses: readonly InterfaceAddress[],
  isHeld: (address: string) => boolean,
): string | undefined {
  if (to.kind === 'unicast' && to.source !== undefined) return to.source
  const wantsLinkLocal = to.kind === 'multicast' || to.peers.every((peer) => isInNetwork(peer, linkLocal))
  return addresses.find(
    ({ address, isTentative }) =>
      familyOf(address) === family &&
      !isTentative &&
      !isHeld(address) &&
      (family === 'ipv4' || isInNetwork(address, linkLocal) === wantsLinkLocal),
  )?.address
}
