/** The entry of a data plane's thread: opens its plane and answers the engine's calls. */
import { parentPort, workerData } from 'node:worker_threads'
import { describeError, InfraError } from '../../errors.ts'
import { type EpollThread, openEpollThread } from './epoll/plane.ts'
import { openNetPlane } from './net/plane.ts'
import type { Answer, Call, CallMessage, ErrorMessage, WorkerData, WorkerMessage } from './plane.ts'

const data = workerData as WorkerData
const say = (message: WorkerMessage): void => parentPort?.postMessage(message, [])

function errorMessage(error: unknown): ErrorMessage {
  if (!(error instanceof InfraError))
    return { code: 'failed', message: describeError(error), subject: 'engine', hint: undefined, retryable: false }
  const { code, message, subject, hint, retryable } = error
  return { code, message, subject, hint, retryable }
}

/** A fault that comes with every connection is not said with every one. */
let faults = 0
function sayFault(error: unknown): void {
  faults += 1
  if (faults > 10 && faults % 1000 !== 0) return
  say({ kind: 'fault', reason: error instanceof Error ? (error.stack ?? error.message) : String(error) })
}

function runNetPlane(): void {
  const plane = openNetPlane(data, sayFault)
  const answer = async (call: Call): Promise<Answer> => {
    switch (call.kind) {
      case 'apply':
        return plane.apply(call.changes, call.settings).then(() => undefined)
      case 'read':
        return plane.scheduling.read(call)
      case 'zero':
        plane.scheduling.table.zero(call.id)
        return undefined
      case 'connections':
        return plane.connections(call.from)
      case 'stop':
        return undefined
      case 'close':
        await plane.close()
        parentPort?.close()
        return undefined
    }
  }
  // One call after the other: two applies never mix.
  let last: Promise<unknown> = Promise.resolve()
  parentPort?.on('message', ({ id, call }: CallMessage) => {
    last = last
      .then(() => answer(call))
      .then(
        (value) => say({ kind: 'answer', id, value }),
        (error: unknown) => say({ kind: 'error', id, error: errorMessage(error) }),
      )
  })
  say({ kind: 'ready', wakeFd: undefined })
}

async function runEpollPlane(): Promise<void> {
  const port = parentPort
  const memory = data.epoll
  if (port === null || memory === undefined) return
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

if (data.plane === 'net') runNetPlane()
else await runEpollPlane()
