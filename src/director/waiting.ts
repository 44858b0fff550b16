/** A caller's patience: its signal ends the wait, not the work that has begun. */
import { InfraError } from '../errors.ts'
import type { CallOptions } from './control.ts'

/** @throws InfraError `timeout` or `cancelled` */
export function throwIfAborted({ signal }: CallOptions): void {
  if (!signal.aborted) return
  const isLate = (signal.reason as Error).name === 'TimeoutError'
  throw new InfraError(isLate ? 'timeout' : 'cancelled', isLate ? 'the director was not done in time' : 'cancelled', {
    subject: 'director',
    retryable: isLate,
    cause: signal.reason,
  })
}

/** The end of the wait is not the end of the change: what has begun is finished. */
export async function unlessAborted<T>(options: CallOptions, mine: Promise<T>): Promise<T> {
  const { signal } = options
  let onAbort = (): void => {}
  const aborted = new Promise<undefined>((resolve) => {
    // Not resolve itself: it would take the event for an answer.
    onAbort = () => resolve(undefined)
    if (signal.aborted) onAbort()
    else signal.addEventListener('abort', onAbort, { once: true })
  })
  try {
    const first = await Promise.race([mine.then((value) => ({ value })), aborted])
    if (first !== undefined) return first.value
    void mine.catch(() => undefined)
    throwIfAborted(options)
    return await mine
  } finally {
    signal.removeEventListener('abort', onAbort)
  }
}
