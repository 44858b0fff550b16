/** State changes by looking again and again: level-triggered, so that no change is lost, only coalesced. */
import { setTimeout as sleep } from 'node:timers/promises'
import { difference } from '../difference.ts'
import type { CallOptions, GuestEvent, GuestRunState, GuestState } from './hypervisor.ts'

type List = (options: CallOptions) => Promise<readonly GuestState[]>

/** Changes since this call, at most one for a guest in each round; at an abort it ends. Errors of `list` go through. */
export function watchGuests(list: List, everyMs: number, { signal }: CallOptions): AsyncIterable<GuestEvent> {
  const look = async (): Promise<Map<string, GuestRunState>> =>
    new Map((await list({ signal })).map(({ definition, state }) => [definition.name, state]))
  const first = look()
  first.catch(() => {}) // seen by whoever iterates
  return {
    async *[Symbol.asyncIterator]() {
      try {
        for (let before = await first; ; ) {
          await sleep(everyMs, undefined, { signal })
          const now = await look()
          yield* changes(before, now)
          before = now
        }
      } catch (error) {
        if (!signal.aborted) throw error
      }
    },
  }
}

function changes(before: ReadonlyMap<string, GuestRunState>, now: ReadonlyMap<string, GuestRunState>): GuestEvent[] {
  const { added, changed, removed } = difference(before, now, (a, b) => a === b)
  return [
    ...[...added, ...changed].map(({ key, wanted }) => ({ guest: key, state: wanted })),
    ...removed.map(({ key }) => ({ guest: key, state: 'removed' as const })),
  ]
}
