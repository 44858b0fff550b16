/** The words between an engine and its threads, and the thread's side of them. */
import type { MessagePort } from 'node:worker_threads'
import { describeError, type InfraCode, InfraError } from '../errors.ts'

export type CallMessage<Call> = { readonly id: number; readonly call: Call }

export type ErrorMessage = {
  readonly code: InfraCode
  readonly message: string
  readonly subject: string
  readonly hint: string | undefined
  readonly retryable: boolean
}

export type ThreadMessage<Answer, Note = never> =
  /** `wakeFd`: an eventfd to be written after each message, for a thread that does not sleep in Node's own loop. */
  | { readonly kind: 'ready'; readonly wakeFd: number | undefined }
  | { readonly kind: 'cannot'; readonly reason: string }
  | { readonly kind: 'answer'; readonly id: number; readonly value: Answer }
  | { readonly kind: 'error'; readonly id: number; readonly error: ErrorMessage }
  | { readonly kind: 'note'; readonly note: Note }

export function errorMessage(error: unknown): ErrorMessage {
  if (!(error instanceof InfraError))
    return { code: 'failed', message: describeError(error), subject: 'engine', hint: undefined, retryable: false }
  const { code, message, subject, hint, retryable } = error
  return { code, message, subject, hint, retryable }
}

export type Answering<Call, Answer> = (call: Call) => Promise<Answer>

/** Answers calls one after the other, so that two changes never mix, and says that the thread is ready. */
export function serveCalls<Call, Answer>(port: MessagePort, answer: Answering<Call, Answer>): void {
  const say = (message: ThreadMessage<Answer>): void => port.postMessage(message, [])
  let last: Promise<unknown> = Promise.resolve()
  port.on('message', ({ id, call }: CallMessage<Call>) => {
    last = last
      .then(() => answer(call))
      .then(
        (value) => say({ kind: 'answer', id, value }),
        (error: unknown) => say({ kind: 'error', id, error: errorMessage(error) }),
      )
  })
  say({ kind: 'ready', wakeFd: undefined })
}
