/** Which commands of a file keepalived would run as root without having been told that they are safe. */
import type { Report } from './finding.ts'
import type { Machine } from './machine.ts'
import { allOf, type Entry, lastOf } from './tree.ts'

const commandKeywords = [
  'notify', 'notify_master', 'notify_backup', 'notify_fault', 'notify_stop', 'notify_master_rx_lower_pri', 'notify_up',
  'notify_down', 'quorum_up', 'quorum_down', 'misc_path', 'script',
] // biome-ignore format: a list to read at a glance

/** `withVrrp`: keepalived came so far. Nothing is said when `enable_script_security` stands, or when none of the commands is there. */
export function reportSecurity(entries: readonly Entry[], machine: Machine, withVrrp: boolean, report: Report): void {
  const globals = lastOf(entries, 'global_defs')?.entries ?? []
  if (lastOf(globals, 'enable_script_security') !== undefined || machine.hasUser('keepalived_script')) return
  const isRoot = (lastOf(globals, 'script_user')?.words[0] ?? 'root') === 'root'
  const runs = (...blocks: readonly string[]): boolean =>
    isRoot && allOf(entries, ...blocks).some((block) => commandsIn(block).some((path) => machine.isExecutable(path)))
  if (runs('virtual_server'))
    report(6, undefined, 'SECURITY VIOLATION - check scripts are being executed but script_security not enabled.')
  if (withVrrp && runs('vrrp_instance', 'vrrp_sync_group', 'vrrp_script') && allOf(entries, 'vrrp_instance').length > 0)
    report(6, undefined, 'SECURITY VIOLATION - scripts are being executed but script_security not enabled.')
}

/** A whole command in quotes is taken apart once more. */
export function programOf({ words }: Pick<Entry, 'words'>): string {
  return words[0]?.split(/\s+/)[0] ?? ''
}

function commandsIn({ entries }: Entry): readonly string[] {
  return entries.flatMap((entry) => (commandKeywords.includes(entry.keyword) ? [programOf(entry)] : commandsIn(entry)))
}
