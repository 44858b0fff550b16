/** Single commands of ipvsadm, carried out. */
import type { Command, EditName } from '../../formats/ipvsadm/command.ts'
import type { EditResult } from '../../lvs/edit.ts'
import { errnoText } from './errno-texts.ts'
import { codes, type Front } from './front.ts'
import { helpText, versionLine } from './help.ts'
import { runRead } from './lists.ts'

/** The exit code. */
export async function runCommand(
  command: Exclude<Command, { readonly kind: 'restore' }>,
  front: Front,
): Promise<number> {
  const { director, out, signal } = front
  switch (command.kind) {
    case 'help':
      out(helpText(front.program()))
      return codes.ok
    case 'version':
      out(`${versionLine}\n`)
      return codes.ok
    case 'edit': {
      const [result] = await director.edit([command.edit], { signal })
      return result === undefined ? codes.failed : sayResult(command.name, result, front)
    }
    case 'unknown-module': {
      const { services } = await director.table({ signal, only: [command.id] })
      const isThere = services.length > 0
      const isRight = isThere === (command.name === 'edit-service')
      return sayResult(command.name, { ok: false, errno: isRight ? 'ENOENT' : isThere ? 'EEXIST' : 'ESRCH' }, front)
    }
    default:
      return runRead(command, front)
  }
}

/** The exit code of an edit; a refusal is said. */
export function sayResult(name: EditName, result: EditResult, { err }: Front): number {
  if (result.ok) return codes.ok
  const hint = result.hint === undefined ? '' : `hint: ${result.hint}\n`
  err(`${result.message ?? errnoText(name, result.errno)}\n${hint}`)
  return codes.failed
}
