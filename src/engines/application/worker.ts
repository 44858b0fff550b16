/** The entry of the application engine's thread. */
import { parentPort, workerData } from 'node:worker_threads'
import { describeError } from '../../errors.ts'
import { serveCalls, type ThreadMessage } from '../thread-messages.ts'
import type { Answer, ApplicationReport, ApplicationSettings, Call } from './calls.ts'
import { openApplicationPlane } from './plane.ts'

const port = parentPort
if (port !== null) {
  const report = (note: ApplicationReport): void =>
    port.postMessage({ kind: 'note', note } satisfies ThreadMessage<Answer, ApplicationReport>, [])
  // Node's parsers and sockets call back from many places: what throws there must not take all connections along.
  process.on('uncaughtException', (error) => report({ kind: 'fault', reason: error.stack ?? describeError(error) }))
  const plane = openApplicationPlane(workerData as ApplicationSettings, report)
  serveCalls<Call, Answer>(port, async (call) => {
    switch (call.kind) {
      case 'apply':
        return plane.apply(call.changes, call.settings).then(() => undefined)
      case 'read':
        return plane.read(call.only)
      case 'zero':
        plane.zero(call.id)
        return undefined
      case 'connections':
        return plane.connections(call.from)
      case 'close':
        await plane.close()
        port.close()
        return undefined
    }
  })
}
