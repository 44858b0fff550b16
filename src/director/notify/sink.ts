/** What a sink wants to hear, what it is called, and what a delivery to it comes to. Pure. */
import { canonicalText } from '../../difference.ts'
import type { EventRecord, NotifySink } from '../control.ts'
import { concernsCluster } from '../event-hub.ts'

/** `retryable: false`: trying again would give the same. */
export type Outcome =
  | { readonly kind: 'delivered' }
  | {
      readonly kind: 'failed'
      readonly reason: string
      readonly retryable: boolean
      readonly retryAfterMs?: number
    }

/** Never throws, and ends soon after its signal aborts. `key` names the event for ever: a repeat has the same. */
export type Deliver<Sink extends NotifySink = NotifySink> = (
  sink: Sink,
  record: EventRecord,
  options: { readonly key: string; readonly signal: AbortSignal },
) => Promise<Outcome>

/**
 * Whether a sink of this cluster is to hear of it. Results of checks only when it names them: they are many. Never of
 * events that were lost: a sink is told of its own where they are missing, and others' would go round for ever.
 */
export function wants(
  { cluster, sink }: { readonly cluster: string; readonly sink: NotifySink },
  { event }: EventRecord,
  clusters: readonly string[] | undefined,
): boolean {
  if (event.kind === 'events.lost') return false
  const isNamed = sink.events === undefined ? event.kind !== 'check.result' : sink.events.includes(event.kind)
  return isNamed && concernsCluster(event, clusters, cluster)
}

export function wantsResults(sink: NotifySink): boolean {
  return sink.events?.includes('check.result') === true
}

/** Two that are alike in everything are one. */
export function sinkKey(cluster: string, sink: NotifySink): string {
  return canonicalText([cluster, sink])
}

/** What people are told it is called: the rest of an address or a command may hold what is secret. */
export function sinkName(sink: NotifySink): string {
  if (sink.kind === 'webhook') return `webhook ${new URL(sink.url).origin}`
  const [program = '', option, line = ''] = sink.argv
  const isLine = program === '/bin/sh' && option === '-c'
  return `command ${isLine ? (line.trim().split(/\s/)[0] ?? '') : program}`
}
