/** none: no scheduler at all (ipvsadm -s none); every client is refused. */
import type { Candidate, Scheduler } from './scheduler.ts'

export function noScheduler<S extends Candidate>(): Scheduler<S> {
  return { pick: () => undefined, added() {}, removed() {}, edited() {}, counted() {} }
}
