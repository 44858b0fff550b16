/** Keeps what is made by hand: in the engine, in memory and in the journal. */
import type { Engine } from '../engines/engine.ts'
import { describeError } from '../errors.ts'
import type { EditResult, TableEdit } from '../lvs/edit.ts'
import { type HandTable, handTable } from './by-hand.ts'
import type { EditJournal } from './edit-journal.ts'
import { makeEdits } from './edits.ts'
import type { DirectorEvent } from './events.ts'
import type { Surroundings } from './surroundings.ts'

export type HandKeeperOptions = {
  readonly engine: Engine
  readonly journal: EditJournal
  readonly onEvent: (event: DirectorEvent) => void
  readonly ownerOf: (key: string) => string | undefined
  readonly syncOwner: () => string | undefined
  readonly surroundings: (withInterfaces: boolean) => Promise<Surroundings>
  readonly onAsk: (keys: Iterable<string>) => void
}

export type HandKeeper = {
  readonly table: HandTable
  /** Not while the engine is being brought to what is wanted. */
  edit(edits: readonly TableEdit[], signal: AbortSignal): Promise<readonly EditResult[]>
  /** Why a crash of the daemon would lose what was made by hand; undefined while it would not. */
  problem(): string | undefined
  /** Writes the journal where that failed before. Never throws. */
  mend(): Promise<void>
}

export async function openHandKeeper(options: HandKeeperOptions): Promise<HandKeeper> {
  const { engine, journal, onEvent, surroundings, ...rest } = options
  const table = handTable()
  let problem: string | undefined
  const kept = async (write: Promise<void>): Promise<void> => {
    try {
      await write
      problem = undefined
    } catch (error) {
      // The edits stand in the engine: taking them back now would help nobody.
      problem = `what was made by hand would not outlive a crash: ${describeError(error)}`
    }
  }
  const { edits, trouble } = await journal.load()
  for (const edit of edits) table.make(edit)
  if (trouble !== undefined) {
    onEvent({ kind: 'intent.trouble', reason: trouble })
    await kept(journal.rewrite(table.edits()))
  }
  const onMade = (made: readonly TableEdit[]): Promise<void> =>
    kept(problem === undefined ? journal.append(made, () => table.edits()) : journal.rewrite(table.edits()))
  return {
    table,
    problem: () => problem,
    async mend() {
      if (problem !== undefined) await kept(journal.rewrite(table.edits()))
    },
    async edit(wanted, signal) {
      const around = {
        ...(await surroundings(wanted.some(({ kind }) => kind === 'daemon.start'))),
        schedulers: engine.capabilities.schedulers,
      }
      const results = await makeEdits(wanted, { engine, table, around, onMade, ...rest }, signal)
      const refused = results.reduce((count, { ok }) => (ok ? count : count + 1), 0)
      onEvent({ kind: 'table.edited', edits: results.length, refused })
      return results
    },
  }
}
