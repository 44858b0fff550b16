/** How long a backup waits: RFC 3768 §6.1 for version 2, RFC 5798 and RFC 9568 §6.1 for version 3. Milliseconds. */
import type { RouterConfig } from './config.ts'

type Timed = Pick<RouterConfig, 'version' | 'downAdverts'>

/** Skew_Time: the higher the priority, the sooner it speaks when the master falls silent. */
export function skewMs({ version }: Timed, priority: number, masterIntervalMs: number): number {
  // Version 2 has whole seconds only, and a skew of its own of less than one.
  return ((256 - priority) * (version === 2 ? 1000 : masterIntervalMs)) / 256
}

/** Master_Down_Interval, Active_Down_Interval. */
export function masterDownMs(config: Timed, priority: number, masterIntervalMs: number): number {
  return config.downAdverts * masterIntervalMs + skewMs(config, priority, masterIntervalMs)
}
