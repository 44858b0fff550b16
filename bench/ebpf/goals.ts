/** Ratios to plain routing in the same round that throw-away prototypes reached: a program that does less must be as fast. */
import type { Figure } from './loads.ts'
import type { Way } from './world.ts'

export const goals: Readonly<Partial<Record<Way, Readonly<Record<Figure, number>>>>> = {
  masq: { 'connect/s': 0.96, 'request/s': 1.09, 'bulk Gbit/s': 1.02, 'small UDP/s': 1.08 },
  direct: { 'connect/s': 1.1, 'request/s': 1.08, 'bulk Gbit/s': 1.12, 'small UDP/s': 1.13 },
  tunnel: { 'connect/s': 1.03, 'request/s': 1.02, 'bulk Gbit/s': 1, 'small UDP/s': 0.9 },
}
/** What a run may be beside a goal: as much as two runs differ on a quiet machine. */
export const noise = 0.05
