/** A connection to be placed, as schedulers ask for it. */
import type { Flow } from '../lvs/schedulers/scheduler.ts'
import type { Endpoint } from '../lvs/service.ts'
import { addressWords } from './records.ts'

/** Addresses become numbers, and the clock is read, only when the scheduler asks: most do not. */
export function flowBetween(client: Endpoint, service: Endpoint, nowMs: () => number): Flow {
  return {
    get source() {
      return addressWords(client.address) ?? [0]
    },
    sourcePort: client.port,
    get destination() {
      return addressWords(service.address) ?? [0]
    },
    destinationPort: service.port,
    get atMs() {
      return nowMs()
    },
  }
}
