/** The few shapes in which things go wrong. Expected outcomes are values; only I/O failures and bugs are thrown. */

/** A closed set, so that callers decide by code and never by message. */
export type InfraCode =
  | 'not-found'
  | 'already-exists'
  | 'permission'
  | 'busy'
  | 'timeout'
  | 'cancelled'
  | 'unreachable'
  | 'missing-tool'
  | 'unsupported'
  | 'invalid'
  | 'no-space'
  | 'failed'

/** An I/O failure: what could not be done, on what, and whether trying again makes sense. */
export class InfraError extends Error {
  readonly code: InfraCode
  readonly subject: string
  readonly retryable: boolean
  /** What the user can do about it, one sentence, when there is something. */
  readonly hint: string | undefined

  constructor(
    code: InfraCode,
    message: string,
    options: { subject: string; retryable?: boolean; hint?: string; cause?: unknown },
  ) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause })
    this.name = 'InfraError'
    this.code = code
    this.subject = options.subject
    this.retryable = options.retryable ?? false
    this.hint = options.hint
  }
}

/** A broken invariant: never the user's fault, never handled, always reported. */
export class Bug extends Error {
  override readonly name = 'Bug'
}

export function assertNever(value: never): never {
  throw new Bug(`unreachable: ${JSON.stringify(value)}`)
}

export function isInfraError(error: unknown, code?: InfraCode): error is InfraError {
  return error instanceof InfraError && (code === undefined || error.code === code)
}

/** The text of anything thrown, with its causes, for one line of output. */
export function describeError(error: unknown): string {
  if (!(error instanceof Error)) return String(error)
  const cause = error.cause === undefined ? '' : `: ${describeError(error.cause)}`
  return error.message.includes(cause.slice(2)) ? error.message : `${error.message}${cause}`
}
