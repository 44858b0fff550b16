/** Node's system errors and aborts as InfraErrors, so that callers decide by code. */
import { type InfraCode, InfraError } from '../../errors.ts'

const codes: Readonly<Record<string, InfraCode>> = {
  ENOENT: 'not-found',
  ENOTDIR: 'not-found',
  EEXIST: 'already-exists',
  EACCES: 'permission',
  EPERM: 'permission',
  EROFS: 'permission',
  EBUSY: 'busy',
  EAGAIN: 'busy', // connect(2) to a unix socket whose queue is full
  ETXTBSY: 'busy',
  EADDRINUSE: 'busy',
  ENOSPC: 'no-space',
  EDQUOT: 'no-space',
  ECONNREFUSED: 'unreachable',
  ECONNRESET: 'unreachable',
  ENAMETOOLONG: 'invalid',
  EINVAL: 'invalid',
  EISDIR: 'invalid',
}

export function systemCode(error: unknown): string | undefined {
  if (!(error instanceof Error) || !('code' in error)) return undefined
  return typeof error.code === 'string' ? error.code : undefined
}

/** `what` is a verb phrase: "write /etc/x". */
export function asInfraError(error: unknown, what: string, subject: string, signal?: AbortSignal): InfraError {
  if (error instanceof InfraError) return error
  if (signal?.aborted === true) return abortError(signal, what, subject)
  const system = systemCode(error)
  const code = (system === undefined ? undefined : codes[system]) ?? 'failed'
  const detail = system ?? (error instanceof Error ? error.message : String(error))
  return new InfraError(code, `${what}: ${detail}`, {
    subject,
    cause: error,
    retryable: code === 'busy' || code === 'unreachable',
    ...(code === 'permission' ? { hint: 'check the owner and mode, or run as root' } : {}),
    ...(code === 'no-space' ? { hint: 'free some space on that file system' } : {}),
  })
}

/** A deadline ended the wait (`timeout`), or the caller did (`cancelled`). */
export function abortError(signal: AbortSignal, what: string, subject: string): InfraError {
  const timedOut = signal.reason instanceof Error && signal.reason.name === 'TimeoutError'
  return timedOut
    ? new InfraError('timeout', `${what}: no end before its deadline`, { subject, retryable: true })
    : new InfraError('cancelled', `${what}: cancelled`, { subject })
}
