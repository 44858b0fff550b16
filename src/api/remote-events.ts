/** The events of a director that is reached over a stream. */
import { createParser } from 'eventsource-parser'
import type { EventQuery, EventRecord } from '../director/control.ts'
import { heartbeatMs } from './event-stream.ts'
import { lostError } from './exchange.ts'
import { type Connect, remoteText } from './remote-text.ts'
import { routes } from './routes.ts'

/** A director gives signs of life: one that gave none for this long has gone, or hangs. */
const silentMs = 3 * heartbeatMs

/** As `DirectorControl.events` has it. */
export async function* remoteEvents(connect: Connect, query: EventQuery): AsyncGenerator<EventRecord> {
  const { signal } = query
  const call = { method: routes.events.method, path: pathOf(query), signal }
  const come: EventRecord[] = []
  const parser = createParser({ onEvent: ({ data }) => void come.push(JSON.parse(data) as EventRecord) })
  try {
    for await (const text of remoteText(connect, call, silentMs)) {
      parser.feed(text)
      yield* come.splice(0)
    }
    if (query.follow !== false) throw lostError(call, undefined)
  } catch (error) {
    // An end that was asked for is none that failed.
    if (!signal.aborted) throw error
  }
}

function pathOf({ after, cluster, results, follow }: EventQuery): string {
  const query = new URLSearchParams()
  for (const [name, value] of Object.entries({ after, cluster, results, follow }))
    if (value !== undefined) query.set(name, String(value))
  return query.size === 0 ? routes.events.path : `${routes.events.path}?${query.toString()}`
}
