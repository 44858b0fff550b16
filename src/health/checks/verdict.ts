/** What all probes share: how a result is made, and how it comes to its end. */
import { isInfraError } from '../../errors.ts'
import type { CheckTls, ProbeResult } from '../check.ts'

export type Verdict = Omit<ProbeResult, 'tookMs'>

/** What this machine lacks, not the server: descriptors, memory, ports of our own. */
const ownTroubles: ReadonlySet<string> = new Set(['EMFILE', 'ENFILE', 'ENOMEM', 'ENOBUFS', 'EADDRNOTAVAIL'])

/** Of a failure: as short as possible, the errno's name when it has one. */
export function failureText(error: unknown): string {
  if (!(error instanceof Error)) return String(error)
  if (isInfraError(error)) return error.message
  const { code } = error as NodeJS.ErrnoException
  return code ?? error.message
}

/** `what` went wrong; of what this machine lacks, the server is not to blame. */
export function failed(what: string, error: unknown): Verdict {
  return failedBy(what, failureText(error))
}

export function failedBy(what: string, why: string): Verdict {
  const verdict = down(`${what}: ${why}`)
  return ownTroubles.has(why) ? { ...verdict, inconclusive: true } : verdict
}

export const down = (detail: string): Verdict => ({ healthy: false, detail })
export const up = (detail: string): Verdict => ({ healthy: true, detail })

/**
 * Runs one probe that ends when `end` is first called. `begin` returns what closes all that it opened; it is called at
 * the end, however that comes. `late` says how far it had come when the deadline cut it off.
 */
export function probing(
  signal: AbortSignal,
  late: () => Verdict,
  begin: (end: (verdict: Verdict) => void) => () => void,
): Promise<ProbeResult> {
  // What would begin only after the deadline is not worth its start.
  if (signal.aborted) return Promise.resolve({ ...late(), tookMs: 0 })
  return new Promise((resolve) => {
    const begun = performance.now()
    let close: (() => void) | undefined
    let hasEnded = false
    const onAbort = (): void => end(late())
    const end = (verdict: Verdict): void => {
      if (hasEnded) return
      hasEnded = true
      signal.removeEventListener('abort', onAbort)
      close?.()
      resolve({ ...verdict, tookMs: performance.now() - begun })
    }
    signal.addEventListener('abort', onAbort, { once: true })
    try {
      close = begin(end)
    } catch (error) {
      end(failed('the check could not run', error))
    }
    // It ended while it began: what it opened is known only now.
    if (hasEnded) close?.()
  })
}

/** RFC 6066 §3: a literal address is no server name. */
export function tlsOptions(
  { verify, sni }: CheckTls,
  name: string | undefined,
): { rejectUnauthorized: boolean; servername?: string } {
  const servername = sni ?? name
  const isName = servername !== undefined && !/^[\d.]+$|:/.test(servername)
  return { rejectUnauthorized: verify, ...(isName ? { servername } : {}) }
}

/** For a detail: one line of printable text, cut. */
export function shown(text: string): string {
  const line = text.replace(/[^\x20-\x7e]+/g, ' ').trim()
  return line.length > 80 ? `${line.slice(0, 80)}…` : line
}
