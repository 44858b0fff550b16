/** The events of a director that is reached over a stream. */
import type { Duplex } from 'node:stream'
import { createParser } from 'eventsource-parser'
import type { EventQuery, EventRecord } from '../director/control.ts'
import { InfraError, isInfraError } from '../errors.ts'
import { heartbeatMs } from './event-stream.ts'
import { lostError, openExchange } from './exchange.ts'
import { routes } from './routes.ts'

/** A director gives signs of life: one that gave none for this long has gone, or hangs. */
const silentMs = 3 * heartbeatMs

/** As `DirectorControl.events` has it. */
export async function* remoteEvents(
  connect: (signal: AbortSignal) => Promise<Duplex>,
  query: EventQuery,
): AsyncGenerator<EventRecord> {
  const { signal } = query
  const call = { method: routes.events.method, path: pathOf(query), signal }
  let stream: Duplex | undefined
  try {
    stream = await connect(signal)
    const response = (await openExchange(stream, call)).setEncoding('utf8')
    const silence = setTimeout(() => response.destroy(silent()), silentMs)
    const come: EventRecord[] = []
    const parser = createParser({ onEvent: ({ data }) => void come.push(JSON.parse(data) as EventRecord) })
    try {
      for await (const text of response) {
        silence.refresh()
        parser.feed(text as string)
        yield* come.splice(0)
      }
    } finally {
      clearTimeout(silence)
    }
    if (query.follow !== false) throw lostError(call, undefined)
  } catch (error) {
    // An end that was asked for is none that failed.
    if (signal.aborted) return
    throw isInfraError(error) ? error : lostError(call, error)
  } finally {
    stream?.destroy()
  }
}

function pathOf({ after, cluster, results, follow }: EventQuery): string {
  const query = new URLSearchParams()
  for (const [name, value] of Object.entries({ after, cluster, results, follow }))
    if (value !== undefined) query.set(name, String(value))
  return query.size === 0 ? routes.events.path : `${routes.events.path}?${query.toString()}`
}

function silent(): InfraError {
  return new InfraError('unreachable', `the director has given no sign of life for ${silentMs / 1000} s`, {
    subject: 'director',
    retryable: true,
  })
}
