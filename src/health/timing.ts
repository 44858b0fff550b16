/** Time and chance as the checks and the director get them, so that a test can own both. */
import { setTimeout as wait } from 'node:timers/promises'

export type Timing = {
  /** Resolves after `ms`, or at once when the signal aborts. */
  readonly sleep: (ms: number, signal: AbortSignal) => Promise<void>
  /** In [0, 1). */
  readonly chance: () => number
  /** Milliseconds of a clock that is never set. */
  readonly now: () => number
}

export const machineTiming: Timing = {
  sleep: (ms, signal) => wait(ms, undefined, { signal }).catch(() => undefined),
  chance: Math.random,
  now: () => performance.now(),
}

export type Deadline = Disposable & { readonly signal: AbortSignal }

/**
 * A signal that aborts after `ms`, or with its parent. Disposing it lets timer and parent go: AbortSignal.any keeps a
 * record of every signal that was ever joined to a long-lived one (Node 20), and a daemon joins millions.
 */
export function deadline(timing: Timing, parent: AbortSignal, ms: number): Deadline {
  const controller = new AbortController()
  const over = new AbortController()
  const onParent = (): void => controller.abort(parent.reason)
  if (parent.aborted) onParent()
  parent.addEventListener('abort', onParent, { once: true })
  void timing.sleep(ms, over.signal).then(() => {
    if (!over.signal.aborted) controller.abort(new DOMException(`no end within ${ms} ms`, 'TimeoutError'))
  })
  return {
    signal: controller.signal,
    [Symbol.dispose]: () => {
      over.abort()
      parent.removeEventListener('abort', onParent)
    },
  }
}
