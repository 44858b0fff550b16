/** All who are told of a director's events: its log, whoever listens, and the sinks of its clusters. */
import type { ClusterServices, EventQuery, EventRecord } from './control.ts'
import { eventHub } from './event-hub.ts'
import type { DirectorEvent } from './events.ts'
import { type NotifierOptions, openNotifier } from './notify/notifier.ts'

export type TellingOptions = Omit<NotifierOptions, 'onLost'> & {
  readonly now: () => Date
  /** The log: all but results of checks. */
  readonly onEvent: (event: DirectorEvent) => void
}

export type Telling = AsyncDisposable & {
  /** `clusters`: whom an event concerns that names none itself. */
  readonly publish: (event: DirectorEvent, clusters?: readonly string[]) => void
  /** The last word on a cluster's change: sinks that are wanted no more have heard it, and hear no more. */
  readonly conclude: (event: DirectorEvent) => void
  readonly follow: (clusters: readonly ClusterServices[]) => void
  readonly wantsResults: () => boolean
  readonly events: (query: EventQuery) => AsyncIterable<EventRecord>
}

export function openTelling(options: TellingOptions): Telling {
  const notifier = openNotifier({
    ...options,
    onLost: (to, lost, reason) => hub.publish({ kind: 'events.lost', to, lost, reason }),
  })
  const hub = eventHub({ ...options, onRecord: (record, clusters) => notifier.tell(record, clusters) })
  return {
    publish: (event, clusters) => hub.publish(event, clusters),
    conclude(event) {
      hub.publish(event)
      notifier.settle()
    },
    follow: (clusters) => notifier.follow(clusters),
    wantsResults: () => hub.wantsResults() || notifier.wantsResults(),
    events: (query) => hub.events(query),
    async [Symbol.asyncDispose]() {
      await notifier[Symbol.asyncDispose]()
      hub[Symbol.dispose]()
    },
  }
}
