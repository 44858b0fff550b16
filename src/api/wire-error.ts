/** An InfraError on its way over the control socket. */
import type { InfraCode } from '../errors.ts'

export const infraCodes = [
  'not-found', 'already-exists', 'permission', 'busy', 'timeout', 'cancelled', 'unreachable', 'missing-tool',
  'unsupported', 'invalid', 'no-space', 'failed',
] as const satisfies readonly InfraCode[] // biome-ignore format: a list to read at a glance

export type WireError = {
  readonly code: InfraCode
  readonly message: string
  readonly subject: string
  readonly retryable: boolean
  readonly hint?: string
}

/** Undefined when it is none: then what answered was no director. By hand, as schemas take long to load. */
export function readWireError(answer: unknown): WireError | undefined {
  if (typeof answer !== 'object' || answer === null) return undefined
  const { code, message, subject, retryable, hint } = answer as Readonly<Record<string, unknown>>
  const known = infraCodes.find((one) => one === code)
  if (known === undefined || typeof message !== 'string' || typeof subject !== 'string') return undefined
  if (typeof retryable !== 'boolean' || (hint !== undefined && typeof hint !== 'string')) return undefined
  return { code: known, message, subject, retryable, ...(hint === undefined ? {} : { hint }) }
}
