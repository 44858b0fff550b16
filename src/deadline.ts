/** Signals that end a wait: this or that, or after a time. */

// AbortSignal.any holds its sources weakly: in Node 20 a timeout that nothing else holds is collected as garbage, and
// the wait then has no deadline at all. So each combined signal keeps its sources alive for as long as it lives.
const sources = new WeakMap<AbortSignal, readonly AbortSignal[]>()

/** Aborts as soon as one of them does, with its reason. */
export function anySignal(...signals: readonly AbortSignal[]): AbortSignal {
  const either = AbortSignal.any([...signals])
  sources.set(either, signals)
  return either
}

/** Aborts with the signal, or with a TimeoutError after `ms` milliseconds. */
export function within(signal: AbortSignal, ms: number): AbortSignal {
  return anySignal(signal, AbortSignal.timeout(ms))
}

/** A command on a host that is emulated, or has much else to do, took more than 10 s. */
const tidyMs = 60_000

/** For what is tidied away whatever has become of the caller, whose own signal may be over. */
export const tidying = (): { readonly signal: AbortSignal } => ({ signal: AbortSignal.timeout(tidyMs) })
