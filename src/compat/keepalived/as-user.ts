/** Commands of a file that run as somebody else: by setpriv(1), which is on every Linux. Pure. */
import type { ScriptUser } from '../../formats/keepalived/instance-model.ts'

/** As it is for root, who we are. */
export function asUser(argv: readonly string[], user: ScriptUser | undefined): readonly string[] {
  if (user === undefined) return argv
  const { name, group = name } = user
  return ['setpriv', '--reuid', name, '--regid', group, '--init-groups', '--', ...argv]
}
