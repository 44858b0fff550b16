/** Numbers of routing that have names: /etc/iproute2 gives a machine's own, these are everywhere (Linux, rtnetlink.h). Pure. */

export type NameKind = 'table' | 'protocol' | 'scope' | 'realm' | 'dsfield' | 'group'

/** undefined: there is no such name. Numbers are read before. */
export type Names = (kind: NameKind, name: string) => number | undefined

/** RTPROT_KEEPALIVED: who has put a route or rule there, so that others leave it alone. */
export const ownProtocol = 18

const common: Readonly<Partial<Record<NameKind, Readonly<Record<string, number>>>>> = {
  table: { default: 253, main: 254, local: 255 },
  protocol: { redirect: 1, kernel: 2, boot: 3, static: 4, ra: 9, keepalived: ownProtocol },
  scope: { global: 0, site: 200, link: 253, host: 254, nowhere: 255 },
  group: { default: 0 },
}

/** For a file that means the same on every machine. */
export const commonNames: Names = (kind, name) => {
  const names = common[kind] ?? {}
  return Object.hasOwn(names, name) ? names[name] : undefined
}

export function isName<T extends string>(names: readonly T[], word: string): word is T {
  return names.some((name) => name === word)
}
