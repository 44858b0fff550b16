import type { Names } from '../iproute/names.ts'

/** What a keepalived.conf is held against: the machine on which it stands. */
export type Machine = {
  interface(name: string): 'none' | 'loopback' | 'there'
  /** `program`: a path, or a name to be looked for in PATH. */
  isExecutable(program: string): boolean
  /** Of /etc/iproute2, and those that are everywhere. */
  readonly routingNames: Names
  hasUser(name: string): boolean
  /** The group that a user is in first, as a number. */
  groupOf(user: string): string | undefined
}
