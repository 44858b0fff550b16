/**
 * What rr and wrr remember between picks, moved on by what happens to the list: src/lvs/schedulers/rr.ts and wrr.ts, as
 * far as they are not about picking, which the program does. Pure.
 */

import { Weights } from '../../lvs/schedulers/weights.ts'
import type { SchedulerName } from '../../lvs/service.ts'

/** `last`: place of the last pick, -1 before the first. `bar`, `highest`, `step`: of wrr. */
export type Turn = { readonly last: number; readonly bar: number; readonly highest: number; readonly step: number }

export const firstTurn: Turn = { last: -1, bar: 0, highest: 0, step: 1 }

export class TurnKeeper {
  turn: Turn
  readonly #scheduler: SchedulerName | 'none'
  readonly #weights: Weights | undefined

  /** `servers` is the live list; told of each change right after it. */
  constructor(
    scheduler: SchedulerName | 'none',
    servers: readonly { readonly weight: number }[],
    turn: Turn | undefined,
  ) {
    this.#scheduler = scheduler
    this.turn = turn ?? firstTurn
    this.#weights = scheduler === 'wrr' ? new Weights(servers) : undefined
    if (turn === undefined) this.#restart()
  }

  added(): void {
    this.#weights?.added()
    if (this.#scheduler === 'rr' && this.turn.last >= 0) this.turn = { ...this.turn, last: this.turn.last + 1 }
    this.#restart()
  }

  /** When the last pick goes away its predecessor takes its place. */
  removed(index: number): void {
    this.#weights?.removed(index)
    if (this.#scheduler === 'rr' && index <= this.turn.last) this.turn = { ...this.turn, last: this.turn.last - 1 }
    this.#restart()
  }

  edited(index: number): void {
    this.#weights?.edited(index)
    this.#restart()
  }

  /** wrr begins anew at the list's head at every change, and brings its bar into the new bounds. */
  #restart(): void {
    if (this.#weights === undefined) return
    const step = Math.max(this.#weights.divisor, 1)
    const highest = Math.max(this.#weights.highest - (step - 1), 0)
    let { bar } = this.turn
    if (bar > highest || bar === 0) bar = highest
    else if (step > 1) bar = Math.floor(bar / step) * step + 1
    this.turn = { last: -1, bar, highest, step }
  }
}
