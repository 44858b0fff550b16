/** Connection thresholds of a real server: ipvsadm -x and -y. */
import type { RealServer } from './service.ts'

/**
 * Whether it takes no new connections, given whether it took none so far: closed when its connections reach the upper
 * threshold, open again when they fall below the lower one, or without one below three quarters of the upper. The
 * kernel asks this at each connection that is bound or unbound, and at each edit.
 */
export function isOverloaded(
  was: boolean,
  connections: number,
  { upperThreshold, lowerThreshold }: Pick<RealServer, 'upperThreshold' | 'lowerThreshold'>,
): boolean {
  if (upperThreshold === 0) return false
  if (connections >= upperThreshold) return true
  const reopensBelow = lowerThreshold > 0 ? lowerThreshold : upperThreshold - Math.floor(upperThreshold / 4)
  return was && connections >= reopensBelow
}
