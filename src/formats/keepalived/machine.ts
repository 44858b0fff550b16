/** What a keepalived.conf is held against: the machine on which it stands. */
export type Machine = {
  interface(name: string): 'none' | 'loopback' | 'there'
  isExecutable(path: string): boolean
  hasUser(name: string): boolean
}
