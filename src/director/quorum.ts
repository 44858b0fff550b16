/** Whether enough of a service's servers are usable, as keepalived counts it (`quorum`, `hysteresis`). Pure. */
import type { Quorum } from './control.ts'

/** Any weight at all is enough. */
const anything: Quorum = { weight: 1, hysteresis: 0 }

/**
 * `usable`: the weight of all usable servers together. What was enough stays so down to `hysteresis` below the quorum;
 * what was not becomes so at `hysteresis` above it.
 */
export function isEnough({ weight, hysteresis }: Quorum = anything, usable: number, wasEnough: boolean): boolean {
  return usable > 0 && usable >= (wasEnough ? weight - hysteresis : weight + hysteresis)
}
