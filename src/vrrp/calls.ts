/** The words between the director and the thread of its virtual routers. */
import type { TrackedState } from './machine/tracking.ts'
import type { VrrpSpec } from './spec.ts'
import type { RouterStatus } from './status.ts'

export type Call =
  | { readonly kind: 'apply'; readonly spec: VrrpSpec }
  | { readonly kind: 'status' | 'close' }
  /** Of the router or group of that name; of all when left out. */
  | { readonly kind: 'yield' | 'resume'; readonly name: string | undefined }
  | { readonly kind: 'track'; readonly name: string; readonly state: TrackedState }

/** Troubles of `apply`, how many of `yield` and `resume`. */
export type Answer = readonly string[] | readonly RouterStatus[] | number | undefined
