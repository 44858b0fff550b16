/** A command line that cannot be followed: what is said of it on standard error, and the exit code. */
export class Refusal extends Error {
  override readonly name = 'Refusal'
  /** 1: what it asks for cannot be; 2: it is no command line of virt-install. */
  readonly code: 1 | 2

  constructor(message: string, code: 1 | 2 = 1) {
    super(message)
    this.code = code
  }
}
