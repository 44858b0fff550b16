/** Whether a request that failed may be tried again. Pure. */

export type Failure = {
  readonly method: string
  /** The connection stood already and had carried other requests: the server may just have closed it. */
  readonly isReused: boolean
  /** It could not even be connected: nothing was sent. */
  readonly isUnsent: boolean
  /** Nothing of an answer has come. */
  readonly isUnanswered: boolean
  /** Something of its body has been taken from the client, and is gone. */
  readonly isBodyBegun: boolean
  /** How often it was tried again although it may have been sent. */
  readonly resent: number
}

/** RFC 9110 §9.2.2. */
const idempotent = new Set(['GET', 'HEAD', 'OPTIONS', 'TRACE', 'PUT', 'DELETE'])

/**
 * RFC 9110 §9.2.2: a proxy never repeats by itself what is not idempotent and may have been done. What was not sent goes
 * to another server; what is idempotent and unanswered goes once more: to the same server when a kept connection broke.
 */
export function afterFailure(failure: Failure): 'another-server' | 'same-server' | 'give-up' {
  if (!failure.isUnanswered || failure.isBodyBegun) return 'give-up'
  if (failure.isUnsent) return 'another-server'
  if (!idempotent.has(failure.method) || failure.resent > 0) return 'give-up'
  return failure.isReused ? 'same-server' : 'another-server'
}
