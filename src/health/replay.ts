/** A traced run told again by the machine, with its own numbers or with others. */
import type { HealthConfig, HealthEffect, HealthState } from './machine.ts'
import { step } from './machine.ts'
import type { TraceHead } from './trace.ts'
import type { NumberedLine } from './trace-parse.ts'

export type ReplayedChange = Omit<Extract<HealthEffect, { kind: 'changed' }>, 'kind'> & {
  readonly key: string
  /** By the wall. */
  readonly at: string
}

export type Replay = {
  readonly servers: number
  readonly results: number
  /** Results that the trace has lost: what follows them may have happened otherwise. */
  readonly lost: number
  readonly changes: readonly ReplayedChange[]
}

type Told = { readonly key: string; readonly config: HealthConfig; state: HealthState }

export function replayTrace(lines: readonly NumberedLine[], instead: Partial<HealthConfig> = {}): Replay {
  const told = new Map<number, Told>()
  const keys = new Set<string>()
  const changes: ReplayedChange[] = []
  let wall = (_atMs: number): string => ''
  let results = 0
  let lost = 0
  for (const { value } of lines) {
    if ('trace' in value) wall = wallClock(value)
    else if ('lost' in value) lost += value.lost
    else if ('ended' in value) told.delete(value.n)
    else if ('key' in value) {
      const { n, key, began } = value
      keys.add(key)
      // With other numbers it goes on from what they have led to, where that is known.
      const own = began || Object.keys(instead).length === 0 ? undefined : told.get(n)?.state
      told.set(n, { key, config: { ...value.config, ...instead }, state: own ?? value.state })
    } else {
      const one = told.get(value.n)
      if (one === undefined) continue
      const { event } = value
      if (event.kind === 'succeeded' || event.kind === 'failed') results += 1
      const { state, effects } = step(one.config, one.state, event)
      one.state = state
      for (const effect of effects) {
        if (effect.kind !== 'changed') continue
        const { kind: _kind, ...change } = effect
        changes.push({ key: one.key, at: wall(event.atMs), ...change })
      }
    }
  }
  return { servers: keys.size, results, lost, changes }
}

function wallClock({ at, atMs }: TraceHead): (atMs: number) => string {
  const offset = Date.parse(at) - atMs
  return (ms) => new Date(offset + ms).toISOString()
}
