/** All schedulers that stand, by their LVS names. */
import type { SchedulerName } from '../service.ts'
import { leastConnection } from './lc.ts'
import { roundRobin } from './rr.ts'
import type { SchedulerFactories } from './scheduler.ts'
import { weightedLeastConnection } from './wlc.ts'
import { weightedRoundRobin } from './wrr.ts'

export const schedulers: SchedulerFactories = {
  rr: roundRobin,
  wrr: weightedRoundRobin,
  lc: leastConnection,
  wlc: weightedLeastConnection,
}

export const implementedSchedulers: readonly SchedulerName[] = ['rr', 'wrr', 'lc', 'wlc']
