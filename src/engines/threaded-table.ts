/** What an engine does with its table alike, whatever the thread behind it carries: changes and settings in, counters zeroed. */
import type { ServiceId } from '../lvs/service.ts'
import { defaultSettings, type Settings, withSettings } from '../lvs/settings.ts'
import { turns } from '../turns.ts'
import { type Engine, isTableChange, type TableChange, throwIfCancelled } from './engine.ts'
import { throwIfRefused } from './refusals.ts'
import { plainChange } from './table.ts'

/** What the thread is told. `settings`: all of them, when one has changed. */
export type TableCall =
  | { readonly kind: 'apply'; readonly changes: readonly TableChange[]; readonly settings: Settings | undefined }
  | { readonly kind: 'zero'; readonly id: ServiceId | undefined }

type ThreadedTable = Pick<Engine, 'apply' | 'info' | 'zero'>

/** What listings name: a thread's own tables have no fixed size, so it is the one that the kernel's have. */
const namedTableSize = 4096

/** `check` throws for what no capability names. */
export function threadedTable(
  call: (call: TableCall, signal?: AbortSignal) => Promise<unknown>,
  { name, capabilities }: Pick<Engine, 'name' | 'capabilities'>,
  check: (changes: readonly TableChange[]) => void,
): ThreadedTable {
  let held = defaultSettings
  // Each set of settings is made from the one before.
  const applying = turns()
  return {
    async apply(changes, options) {
      throwIfCancelled(options, 'apply')
      throwIfRefused(name, capabilities, changes)
      const tableChanges = changes.filter(isTableChange)
      check(tableChanges)
      await applying.take(async () => {
        const wanted = changes.reduce((all, c) => (c.kind === 'settings' ? withSettings(all, c.settings) : all), held)
        const settings = wanted === held ? undefined : wanted
        await call({ kind: 'apply', changes: tableChanges.map(plainChange), settings }, options.signal)
        held = wanted
      })
    },
    async info(options) {
      throwIfCancelled(options, 'info')
      return { settings: held, daemons: [], tableSize: namedTableSize }
    },
    async zero(id, options) {
      throwIfCancelled(options, 'zero')
      await call({ kind: 'zero', id }, options.signal)
    },
  }
}
