/** Runs of entries in the array that holds lists and hash tables. What is given back is used again only after a while. */
import { InfraError } from '../../errors.ts'

export type Region = { readonly from: number; readonly length: number }

export class Regions {
  /** By where they begin; neighbours are joined. */
  #free: Region[]
  #resting: Region[] = []

  constructor(length: number) {
    this.#free = [{ from: 0, length }]
  }

  /** The first that is large enough. @throws InfraError `no-space`. */
  take(length: number): Region {
    if (length === 0) return { from: 0, length: 0 }
    const at = this.#free.findIndex((free) => free.length >= length)
    const found = this.#free[at]
    if (found === undefined)
      throw new InfraError('no-space', 'the engine holds no more lists of real servers', { subject: 'engine' })
    const rest = { from: found.from + length, length: found.length - length }
    this.#free.splice(at, 1, ...(rest.length > 0 ? [rest] : []))
    return { from: found.from, length }
  }

  /** Marks a region as taken that stands already. */
  keep({ from, length }: Region): void {
    if (length === 0) return
    const at = this.#free.findIndex((free) => free.from <= from && from + length <= free.from + free.length)
    const found = this.#free[at]
    if (found === undefined) return
    const parts = [
      { from: found.from, length: from - found.from },
      { from: from + length, length: found.from + found.length - from - length },
    ]
    this.#free.splice(at, 1, ...parts.filter((part) => part.length > 0))
  }

  /** Free after the next `settle`: a packet may be looking through it now. */
  rest(region: Region): void {
    if (region.length > 0) this.#resting.push(region)
  }

  settle(): void {
    if (this.#resting.length === 0) return
    const all = [...this.#free, ...this.#resting].sort((a, b) => a.from - b.from)
    this.#resting = []
    this.#free = []
    for (const region of all) {
      const last = this.#free.at(-1)
      if (last !== undefined && last.from + last.length === region.from)
        this.#free[this.#free.length - 1] = { from: last.from, length: last.length + region.length }
      else this.#free.push(region)
    }
  }
}
