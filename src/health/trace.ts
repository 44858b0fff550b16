/**
 * A trace of checks: all that the machines were told, as lines of JSON, so that a run can be told again. A line names its
 * server by a number that an earlier line of the same file has introduced, with all that is known of it there.
 */
import type { HealthConfig, HealthEvent, HealthState } from './machine.ts'

/** `state`: before the event. */
export type TraceRecord =
  | { readonly kind: 'began'; readonly key: string; readonly config: HealthConfig; readonly state: HealthState }
  | {
      readonly kind: 'event'
      readonly key: string
      readonly config: HealthConfig
      readonly state: HealthState
      readonly event: HealthEvent
    }
  | { readonly kind: 'ended'; readonly key: string }

/** The first line: when the clock of `atMs` said what, by the wall. */
export type TraceHead = { readonly trace: typeof traceVersion; readonly at: string; readonly atMs: number }

export const traceVersion = 1

export type TraceLine =
  | TraceHead
  /** `began`: it is new, or begins anew; otherwise it goes on from an earlier file, or from what was lost. */
  | {
      readonly n: number
      readonly key: string
      readonly began: boolean
      readonly config: HealthConfig
      readonly state: HealthState
    }
  | { readonly n: number; readonly event: HealthEvent }
  | { readonly n: number; readonly ended: true }
  /** So many records are missing here. */
  | { readonly lost: number }

/** Makes lines of records, for one file. What it remembers is bounded by the servers that are checked. */
export class TraceFormat {
  readonly #numbers = new Map<string, number>()
  readonly #introduced = new Set<number>()
  #last = 0

  lines(record: TraceRecord): string {
    const n = this.#number(record.key)
    switch (record.kind) {
      case 'ended':
        this.#numbers.delete(record.key)
        return this.#introduced.delete(n) ? text({ n, ended: true }) : ''
      case 'began':
        return this.#introduction(n, record)
      case 'event':
        return (this.#introduced.has(n) ? '' : this.#introduction(n, record)) + text({ n, event: record.event })
    }
  }

  /** After so many records that were not written everybody is introduced again. */
  lost(lost: number): string {
    this.#introduced.clear()
    return text({ lost })
  }

  #number(key: string): number {
    const known = this.#numbers.get(key)
    if (known !== undefined) return known
    this.#last += 1
    this.#numbers.set(key, this.#last)
    return this.#last
  }

  #introduction(n: number, { kind, key, config, state }: Exclude<TraceRecord, { kind: 'ended' }>): string {
    this.#introduced.add(n)
    return text({ n, key, began: kind === 'began', config: ownConfig(config), state })
  }
}

export const traceHead = (at: Date, atMs: number): string => text({ trace: traceVersion, at: at.toISOString(), atMs })

const text = (line: TraceLine): string => `${JSON.stringify(line)}\n`

/** A whole check is given: what else it says, passwords among it, is not the machine's. */
function ownConfig({ rise, fall, connects, damping }: HealthConfig): HealthConfig {
  return {
    rise,
    fall,
    ...(connects === undefined ? {} : { connects }),
    ...(damping === undefined ? {} : { damping }),
  }
}
