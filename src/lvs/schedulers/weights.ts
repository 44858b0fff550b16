/** The weights of a list of servers, and what they have in common, without a walk through all at every change. */
import type { Candidate } from './scheduler.ts'

export class Weights {
  readonly #servers: readonly Pick<Candidate, 'weight'>[]
  /** As the list: what each server's weight was when last told. */
  readonly #weights: number[]
  /** How many servers have each weight above 0. */
  readonly #tally = new Map<number, number>()
  /** The greatest common divisor of those above 0, or 0. */
  divisor = 0
  highest = 0

  constructor(servers: readonly Pick<Candidate, 'weight'>[]) {
    this.#servers = servers
    this.#weights = servers.map(({ weight }) => weight)
    for (const weight of this.#weights) this.#enter(weight)
  }

  added(): void {
    const weight = this.#servers[0]?.weight ?? 0
    this.#weights.unshift(weight)
    this.#enter(weight)
  }

  removed(index: number): void {
    const [weight] = this.#weights.splice(index, 1)
    this.#leave(weight ?? 0)
  }

  edited(index: number): void {
    const before = this.#weights[index] ?? 0
    const weight = this.#servers[index]?.weight ?? 0
    this.#weights[index] = weight
    this.#enter(weight)
    this.#leave(before)
  }

  #enter(weight: number): void {
    if (weight <= 0) return
    this.#tally.set(weight, (this.#tally.get(weight) ?? 0) + 1)
    this.divisor = greatestCommonDivisor(weight, this.divisor)
    this.highest = Math.max(this.highest, weight)
  }

  #leave(weight: number): void {
    const left = (this.#tally.get(weight) ?? 0) - 1
    if (left > 0) this.#tally.set(weight, left)
    if (left !== 0) return
    this.#tally.delete(weight)
    this.divisor = 0
    this.highest = 0
    for (const other of this.#tally.keys()) {
      this.divisor = greatestCommonDivisor(other, this.divisor)
      this.highest = Math.max(this.highest, other)
    }
  }
}

export function greatestCommonDivisor(a: number, b: number): number {
  return b === 0 ? a : greatestCommonDivisor(b, a % b)
}
