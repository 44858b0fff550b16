/** Debian's /etc/default/ipvsadm: whether rules are loaded at boot, and the daemon that synchronises connections. Pure. */
import type { SyncDaemon, SyncRole } from '../../lvs/edit.ts'

export type IpvsadmDefault = {
  /** AUTO: whether the distribution's own script would load the rules. */
  readonly loads: boolean
  readonly daemons: readonly SyncDaemon[]
  readonly problems: readonly { readonly line: number; readonly message: string }[]
}

const assignment = /^\s*(?:export\s+)?([A-Za-z_]\w*)=(?:"([^"]*)"|'([^']*)'|([^\s"'#;]*))\s*(?:[#;].*)?$/

/** Where ipvsadm itself sends when nothing is said. */
const multicast = { group: '224.0.0.81', port: 8848, ttl: 1 }

const rolesOf: Readonly<Record<string, readonly SyncRole[]>> = {
  none: [],
  master: ['master'],
  backup: ['backup'],
  both: ['master', 'backup'],
}

/** The file is a shell's, but only plain assignments are read: NAME=value, NAME="value", and comments. */
export function parseIpvsadmDefault(text: string): IpvsadmDefault {
  const problems: { line: number; message: string }[] = []
  const values = new Map<string, { readonly value: string; readonly line: number }>()
  for (const [index, line] of text.split('\n').entries()) {
    if (/^\s*(#|$)/.test(line)) continue
    const [, name, double, single, bare] = assignment.exec(line) ?? []
    if (name === undefined) problems.push({ line: index + 1, message: 'expected NAME="value"' })
    else values.set(name, { value: double ?? single ?? bare ?? '', line: index + 1 })
  }
  const problem = (name: string, message: string): void =>
    void problems.push({ line: values.get(name)?.line ?? 1, message: `${name}: ${message}` })
  const valueOf = (name: string, fallback: string): string => values.get(name)?.value || fallback

  const roles = rolesOf[valueOf('DAEMON', 'none')]
  if (roles === undefined) problem('DAEMON', `expected none, master, backup or both, found ${valueOf('DAEMON', '')}`)
  const syncId = Number(valueOf('SYNCID', '0'))
  if (!Number.isInteger(syncId) || syncId < 0 || syncId > 255)
    problem('SYNCID', `expected a number from 0 to 255, found ${valueOf('SYNCID', '')}`)
  const interfaces = valueOf('IFACE', '')
    .split(/[\s,]+/)
    .filter((name) => name !== '')
  if (roles !== undefined && roles.length > 0 && interfaces.length === 0)
    problem('IFACE', 'the daemon needs an interface')
  const daemons = (roles ?? []).map((role, index): SyncDaemon => {
    // `both` may name two interfaces, the master's first.
    return { role, interface: interfaces[index] ?? interfaces[0] ?? '', syncId, ...multicast }
  })
  return {
    loads: valueOf('AUTO', 'false').toLowerCase() === 'true',
    daemons: problems.length > 0 ? [] : daemons,
    problems,
  }
}
