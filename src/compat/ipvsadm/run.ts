/** One command line of ipvsadm, from its words to its exit code. */
import { describeError, isInfraError } from '../../errors.ts'
import type { Command } from '../../formats/ipvsadm/command.ts'
import { runCommand } from './commands.ts'
import { codes, complain, type Front, parseWords } from './front.ts'
import { restoreLines } from './restore.ts'

/** `words` without the program's name. Says what there is to say; the exit code. */
export function runIpvsadm(words: readonly string[], front: Front): Promise<number> {
  return withDirector(front, async () => {
    const parsed = await parseWords(words, front)
    // The first thing that ipvsadm does is to see whether there is a table at all.
    if (!parsed.ok || !asksDirector(parsed.command)) await front.director.table({ signal: front.signal, only: [] })
    if (!parsed.ok) return complain(parsed.refusal, front)
    return parsed.command.kind === 'restore' ? restoreLines(front.input, front) : runCommand(parsed.command, front)
  })
}

function asksDirector({ kind }: Command): boolean {
  return kind !== 'help' && kind !== 'version' && kind !== 'restore'
}

/** Says what is wrong with the director, as ipvsadm says that a kernel has no IPVS. */
async function withDirector(front: Front, body: () => Promise<number>): Promise<number> {
  try {
    return await body()
  } catch (error) {
    if (!isInfraError(error)) throw error
    const hint = error.hint === undefined ? '' : `hint: ${error.hint}\n`
    const reason = initReasons.get(error.code)
    if (reason === undefined) {
      front.err(`ipvsadm: ${describeError(error)}\n${hint}`)
      return codes.failed
    }
    front.err(
      `Can't initialize ipvs: ${reason}\nAre you sure that IP Virtual Server is built in the kernel or as module?\n`,
    )
    front.err(
      error.code === 'not-found' ? 'hint: Baton has no director running here; `baton director` starts one\n' : hint,
    )
    return codes.refused
  }
}

const initReasons = new Map<string, string>([
  ['not-found', 'Protocol not available'],
  ['permission', 'Permission denied (you must be root)'],
])
