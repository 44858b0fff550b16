/** All schedulers by their LVS names. */
import { destinationHashing } from './dh.ts'
import { weightedFailover } from './fo.ts'
import { localityLeastConnection } from './lblc.ts'
import { localityLeastConnectionReplicated } from './lblcr.ts'
import { leastConnection } from './lc.ts'
import { maglevHashing } from './mh.ts'
import { noScheduler } from './none.ts'
import { neverQueue } from './nq.ts'
import { weightedOverflow } from './ovf.ts'
import { roundRobin } from './rr.ts'
import type { SchedulerFactories } from './scheduler.ts'
import { shortestExpectedDelay } from './sed.ts'
import { sourceHashing } from './sh.ts'
import { powerOfTwos } from './twos.ts'
import { weightedLeastConnection } from './wlc.ts'
import { weightedRoundRobin } from './wrr.ts'

export const schedulers: SchedulerFactories = {
  rr: roundRobin,
  wrr: weightedRoundRobin,
  lc: leastConnection,
  wlc: weightedLeastConnection,
  lblc: localityLeastConnection,
  lblcr: localityLeastConnectionReplicated,
  dh: destinationHashing,
  sh: sourceHashing,
  sed: shortestExpectedDelay,
  nq: neverQueue,
  fo: weightedFailover,
  ovf: weightedOverflow,
  mh: maglevHashing,
  twos: powerOfTwos,
  none: noScheduler,
}
