/** Malformed bytes: where, and what was expected there. The one error of every codec. */
export class WireError extends Error {
  readonly offset: number

  constructor(offset: number, what: string) {
    super(`offset ${offset}: ${what}`)
    this.name = 'WireError'
    this.offset = offset
  }
}
