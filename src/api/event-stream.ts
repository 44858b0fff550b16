/** Records as server-sent events (HTML, 9.2), with a comment now and then, so that a listener knows that we live. */
import { Readable } from 'node:stream'
import type { EventRecord } from '../director/control.ts'
import { machineTiming, type Timing } from '../health/timing.ts'

export const heartbeatMs = 15_000

/** Ends with the records. A reader who does not read lets them wait where they are bounded. */
export function eventStream(
  records: AsyncIterable<EventRecord>,
  timing: Pick<Timing, 'sleep'> = machineTiming,
): Readable {
  const over = new AbortController()
  let goOn = (): void => {}
  const stream = new Readable({
    read: () => goOn(),
    destroy(error, done) {
      over.abort()
      goOn()
      done(error)
    },
  })
  const pump = async (): Promise<void> => {
    // At once, as it also sends the headers: who asked knows that he is heard.
    stream.push(': events of a Baton director\n\n')
    for await (const record of records) {
      if (over.signal.aborted) return
      if (!stream.push(eventText(record))) await new Promise<void>((resolve) => (goOn = resolve))
    }
    if (!over.signal.aborted) stream.push(null)
  }
  const beat = async (): Promise<void> => {
    while (!over.signal.aborted) {
      await timing.sleep(heartbeatMs, over.signal)
      if (!over.signal.aborted && stream.readableLength === 0 && !stream.readableEnded) stream.push(': \n\n')
    }
  }
  void beat()
  pump()
    .catch((error: unknown) => stream.destroy(error as Error))
    .finally(() => over.abort())
  return stream
}

/** JSON has no line breaks of its own. */
function eventText(record: EventRecord): string {
  return `id: ${record.id}\ndata: ${JSON.stringify(record)}\n\n`
}
