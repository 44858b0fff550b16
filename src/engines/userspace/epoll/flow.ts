/** The connection to be placed, as schedulers see it: read from the kernel's own bytes, and only when asked. */
import type { Flow } from '../../../lvs/schedulers/scheduler.ts'
import { sockaddrPort, sockaddrWords } from '../../../os/socket-address.ts'
import type { Pinned } from '../../../os/sockets.ts'
import type { Thread } from './thread.ts'

/** One object for all flows: `peer` holds the client's sockaddr, `place` the service's ledger slot at the time. */
export function flowFrom(thread: Thread, peer: Pinned, place: { readonly slot: number }): Flow {
  const { places } = thread
  return {
    get source() {
      return sockaddrWords(peer.bytes, 0)
    },
    get sourcePort() {
      return sockaddrPort(peer.bytes, 0)
    },
    get destination() {
      return sockaddrWords(places.bytes, places.offset(place.slot))
    },
    get destinationPort() {
      return sockaddrPort(places.bytes, places.offset(place.slot))
    },
    get atMs() {
      return thread.nowMs
    },
  }
}
