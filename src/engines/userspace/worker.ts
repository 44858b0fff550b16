/** The entry of a data plane's thread: opens its plane and answers the engine's calls. */
import { type MessagePort, parentPort, workerData } from 'node:worker_threads'
import { describeError } from '../../errors.ts'
import { errorMessage, serveCalls, type ThreadMessage } from '../thread-messages.ts'
import { type EpollThread, openEpollThread } from './epoll/plane.ts'
import { openNetPlane } from './net/plane.ts'
import { type Answer, type Call, type Fault, templatesPerPage, type WorkerData } from './plane.ts'

const data = workerData as WorkerData
const say = (message: ThreadMessage<Answer, Fault>): void => parentPort?.postMessage(message, [])

/** A fault that comes with every connection is not said with every one. */
let faults = 0
function sayFault(error: unknown): void {
  faults += 1
  if (faults > 10 && faults % 1000 !== 0) return
  say({ kind: 'note', note: { reason: error instanceof Error ? (error.stack ?? error.message) : String(error) } })
}

function runNetPlane(port: MessagePort): void {
  const plane = openNetPlane(data, sayFault)
  serveCalls<Call, Answer>(port, async (call) => {
    switch (call.kind) {
      case 'apply':
        await plane.apply(call.changes, call.settings)
        return undefined
      case 'read':
        return plane.scheduling.read(call)
      case 'zero':
        plane.scheduling.table.zero(call.id)
        return undefined
      case 'connections':
        return plane.connections(call.from)
      case 'changed-templates':
        return plane.scheduling.templates.changed(call.from, templatesPerPage, performance.now())
      case 'take-templates':
        return plane.scheduling.takeTemplates(call.connections, performance.now())
      case 'stop':
        return undefined
      case 'close':
        await plane.close()
        port.close()
        return undefined
    }
  })
}

async function runEpollPlane(port: MessagePort): Promise<void> {
  const memory = data.epoll
  if (memory === undefined) return
  let thread: EpollThread
  try {
    thread = openEpollThread(data, memory, sayFault)
  } catch (error) {
    return say({ kind: 'cannot', reason: `system calls cannot be made from here: ${describeError(error)}` })
  }
  say({ kind: 'ready', wakeFd: thread.wakeFd })
  await thread.run(port, (id, make) => {
    try {
      say({ kind: 'answer', id, value: make() })
    } catch (error) {
      say({ kind: 'error', id, error: errorMessage(error) })
    }
  })
}

if (parentPort !== null) {
  if (data.plane === 'net') runNetPlane(parentPort)
  else await runEpollPlane(parentPort)
}
