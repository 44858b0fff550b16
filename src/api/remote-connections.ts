/** The connections of a director that is reached over a stream, as they come. */
import type { Connection } from '../engines/engine.ts'
import { lostError } from './exchange.ts'
import { type Connect, remoteText } from './remote-text.ts'
import { routes } from './routes.ts'

/** Batches come one after the other: a director that takes this long for one hangs. */
const silentMs = 45_000

/** As `DirectorControl.connections` has it. */
export async function* remoteConnections(connect: Connect, signal: AbortSignal): AsyncGenerator<readonly Connection[]> {
  const call = { ...routes.connections, signal }
  let rest = ''
  for await (const text of remoteText(connect, call, silentMs)) {
    const lines = (rest + text).split('\n')
    rest = lines.pop() ?? ''
    if (lines.length > 0) yield lines.map((line) => JSON.parse(line) as Connection)
  }
  if (rest !== '') throw lostError(call, undefined)
}
