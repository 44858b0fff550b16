/** The regular expressions in a probe's spec. */
import type { ProbeSpec } from './check.ts'

export function patternsOf(probe: ProbeSpec): readonly string[] {
  const answer =
    probe.kind === 'udp' && probe.expect !== undefined && 'pattern' in probe.expect ? probe.expect : undefined
  const found = [
    answer?.pattern,
    probe.kind === 'simpletcp' ? probe.expect : undefined,
    'body' in probe ? probe.body : undefined,
    'pattern' in probe ? probe.pattern : undefined,
  ]
  return found.filter((pattern) => pattern !== undefined)
}
