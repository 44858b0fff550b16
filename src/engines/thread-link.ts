/** An engine's side of one of its threads: calls out, answers in. */
import { writeSync } from 'node:fs'
import { Worker } from 'node:worker_threads'
import { describeError, InfraError } from '../errors.ts'
import type { CallMessage, ThreadMessage } from './thread-messages.ts'

const startDeadlineMs = 20_000
const callDeadlineMs = 20_000
const closeDeadlineMs = 3_000

export type ThreadLink<Call extends { readonly kind: string }, Answer> = {
  /** @throws InfraError what the thread says; `cancelled`, `timeout`, or `failed` when the thread has died. */
  call(call: Call, signal?: AbortSignal): Promise<Answer>
  /** Sends `farewell`, and ends the thread when it does not end by itself in time. */
  close(farewell: Call): Promise<void>
}

export type ThreadOptions<Note> = {
  readonly file: URL
  /** What errors call it, and its name among the process's threads. */
  readonly name: string
  readonly data: unknown
  /** What the thread says without being asked. */
  readonly onNote?: (note: Note) => void
}

type Pending<Answer> = { readonly resolve: (value: Answer) => void; readonly reject: (error: InfraError) => void }

/** One for a counter: an eventfd takes eight bytes. */
const wakeUp = new Uint8Array(new BigUint64Array([1n]).buffer)

/** Starts a thread and waits until it stands. @throws InfraError `unsupported` when it cannot run here. */
export async function startThread<Call extends { readonly kind: string }, Answer, Note = never>(
  options: ThreadOptions<Note>,
): Promise<ThreadLink<Call, Answer>> {
  const { name } = options
  const worker = new Worker(options.file, { workerData: options.data, execArgv: [], name: `baton-${name}` })
  const pending = new Map<number, Pending<Answer>>()
  let wakeFd: number | undefined
  let lastId = 0
  let death: InfraError | undefined

  const died = (reason: string): void => {
    death ??= new InfraError('failed', `the thread ${name} ended: ${reason}`, { subject: name })
    wakeFd = undefined
    for (const { reject } of pending.values()) reject(death)
    pending.clear()
  }
  const exited = new Promise<void>((resolve) => worker.once('exit', () => resolve()))
  worker.on('error', (error) => died(describeError(error)))
  worker.once('exit', (code) => died(`exit code ${code}`))

  const ready = new Promise<number | undefined>((resolve, reject) => {
    pending.set(0, { resolve: () => undefined, reject })
    worker.on('message', (message: ThreadMessage<Answer, Note>) => {
      if (message.kind === 'ready') resolve(message.wakeFd)
      else if (message.kind === 'cannot') reject(new InfraError('unsupported', message.reason, { subject: name }))
      else if (message.kind === 'note') options.onNote?.(message.note)
      else settle(pending, message)
    })
  })
  try {
    wakeFd = await withDeadline(ready, startDeadlineMs, `start the thread ${name}`)
    pending.delete(0)
  } catch (error) {
    await worker.terminate()
    throw error
  }

  const call = (call: Call, signal?: AbortSignal): Promise<Answer> => {
    if (death !== undefined) return Promise.reject(death)
    const id = ++lastId
    worker.postMessage({ id, call } satisfies CallMessage<Call>, [])
    const answer = new Promise<Answer>((resolve, reject) => pending.set(id, { resolve, reject }))
    if (wakeFd !== undefined) writeSync(wakeFd, wakeUp)
    return withDeadline(answer, callDeadlineMs, call.kind, signal).finally(() => pending.delete(id))
  }

  return {
    call,
    async close(farewell) {
      try {
        if (death === undefined) await withDeadline(call(farewell), closeDeadlineMs, 'close')
        await withDeadline(exited, closeDeadlineMs, 'close')
      } catch {
        // It did not end by itself in time: it is ended.
        await worker.terminate()
      }
    },
  }
}

function settle<Answer>(
  pending: Map<number, Pending<Answer>>,
  message: Extract<ThreadMessage<Answer>, { id: number }>,
): void {
  const waiting = pending.get(message.id)
  if (message.kind === 'answer') return waiting?.resolve(message.value)
  const { code, message: text, subject, hint, retryable } = message.error
  waiting?.reject(
    new InfraError(code, text, hint === undefined ? { subject, retryable } : { subject, retryable, hint }),
  )
}

async function withDeadline<T>(wait: Promise<T>, ms: number, what: string, signal?: AbortSignal): Promise<T> {
  let timer: NodeJS.Timeout | undefined
  let onAbort: (() => void) | undefined
  const end = new Promise<never>((_, reject) => {
    const fail = (code: 'timeout' | 'cancelled'): void =>
      reject(new InfraError(code, `${what}: the engine's thread did not answer`, { subject: what, retryable: true }))
    timer = setTimeout(() => fail('timeout'), ms)
    onAbort = () => fail('cancelled')
    signal?.addEventListener('abort', onAbort, { once: true })
  })
  try {
    return await Promise.race([wait, end])
  } finally {
    clearTimeout(timer)
    if (onAbort !== undefined) signal?.removeEventListener('abort', onAbort)
  }
}
