/** One round of keeping an engine at what is wanted: read, compute, act; what fails is kept apart, service by service. */
import {
  changedService,
  type Engine,
  type EngineChange,
  type ServiceSnapshot,
  type TableChange,
} from '../engines/engine.ts'
import { describeError } from '../errors.ts'
import type { SyncDaemon, SyncRole } from '../lvs/edit.ts'
import { serviceKey } from '../lvs/service.ts'
import type { SettingsChange } from '../lvs/settings.ts'
import type { HandService } from './by-hand.ts'
import { changeEvents } from './change-events.ts'
import type { DirectorEvent } from './events.ts'
import { settingKeys, settingsChange } from './settings.ts'
import type { Table, TableEntry } from './table.ts'
import { tableChanges } from './table-changes.ts'

/** What could not be done; `service` is its key, undefined when the engine itself did not answer. */
export type Problem = { readonly service: string | undefined; readonly error: unknown; readonly message: string }

export type Wanted = {
  readonly table: Table
  /** Keys of services that were ours and are to go, beside those that were seen here before. */
  readonly leaving: readonly string[]
  /** What was made by hand, by service key. */
  readonly byHand: ReadonlyMap<string, HandService>
  readonly settings: SettingsChange
  readonly daemons: readonly SyncDaemon[]
}

/** Whose problem it is when the engine does not take settings or daemons. */
export const settingsSubject = 'settings'

/** More changes at once are said in one line. */
const mostEvents = 1000

export type Reconciler = {
  /** `want` is asked once the engine was read, with what stands there. Resolves to whether all is as wanted. */
  round(want: (standing: readonly ServiceSnapshot[]) => Wanted, signal: AbortSignal): Promise<boolean>
  problems(): readonly Problem[]
  /** Takes these services for ours until the next round that went well: what nobody wants of them is removed. */
  own(keys: Iterable<string>): void
}

type Trouble = Problem & { readonly failures: number }

export function reconciler(
  engine: Engine,
  onEvent: (event: DirectorEvent) => void,
  /** The engine itself has not answered, for the so-manieth time in a row. */
  onSilence: (failures: number, error: unknown) => void,
): Reconciler {
  const troubles = new Map<string | undefined, Trouble>()
  /** What was wanted in the last round, by service key: also to name what is not wanted any more. */
  const last = new Map<string, Pick<TableEntry, 'cluster' | 'name' | 'state'>>()
  /** What was ever wanted here may be removed; anything else in the engine was made by hand. */
  const owned = new Set<string>()
  const ownedSettings = new Set<string>()
  /** As they were last wanted, and are. */
  const ownedDaemons = new Map<SyncRole, SyncDaemon>()

  const note = (found: readonly Problem[]): void => {
    const now = new Map(found.map((problem) => [problem.service, problem]))
    for (const [service, { failures }] of troubles)
      if (!now.has(service)) {
        troubles.delete(service)
        onEvent({ kind: 'engine.recovered', service, failures })
      }
    for (const [service, problem] of now) {
      const before = troubles.get(service)
      troubles.set(service, { ...problem, failures: (before?.failures ?? 0) + 1 })
      if (before?.message !== problem.message) onEvent({ kind: 'engine.failed', service, reason: problem.message })
    }
  }
  const noteStates = (table: Table, isQuiet: boolean): void => {
    for (const [key, { cluster, name, state }] of table) {
      const from = last.get(key)?.state ?? 'absent'
      last.set(key, { cluster, name, state })
      // Of many at once only those are worth a line that are not served.
      if (from !== state && !(isQuiet && state === 'served'))
        onEvent({ kind: 'service.state', cluster, service: name, from, to: state })
    }
    for (const key of last.keys()) if (!table.has(key)) last.delete(key)
  }
  /** What concerns the engine as a whole. */
  const applyWhole = async (
    { settings, daemons }: Pick<Wanted, 'settings' | 'daemons'>,
    signal: AbortSignal,
  ): Promise<Problem[]> => {
    const info = await engine.info({ signal })
    const change = settingsChange(info.settings, settings, ownedSettings)
    const changes = daemonChanges(info.daemons, daemons, ownedDaemons)
    if (change !== undefined) changes.push({ kind: 'settings', settings: change })
    try {
      if (changes.length > 0) await engine.apply(changes, { signal })
    } catch (error) {
      if (signal.aborted) throw error
      return [problemOf(settingsSubject, error)]
    }
    ownedDaemons.clear()
    for (const daemon of daemons) ownedDaemons.set(daemon.role, daemon)
    ownedSettings.clear()
    for (const key of settingKeys(settings)) ownedSettings.add(key)
    if (change !== undefined) onEvent({ kind: 'settings.changed', settings: change })
    return []
  }
  return {
    problems: () => [...troubles.values()],
    own(keys) {
      for (const key of keys) owned.add(key)
    },
    async round(want, signal) {
      try {
        const standing = await engine.read({ signal })
        const { table, leaving, byHand, ...whole } = want(standing)
        const wanted = new Map<string, HandService>([...table, ...byHand])
        for (const key of [...wanted.keys(), ...leaving]) owned.add(key)
        const ofWhole = await applyWhole(whole, signal)
        const { made, problems } = await applyApart(engine, tableChanges(standing, wanted, owned), signal)
        if (made.length > mostEvents) onEvent({ kind: 'table.changed', changes: made.length })
        else for (const event of changeEvents(made, standing, table, last)) onEvent(event)
        noteStates(table, made.length > mostEvents)
        note([...ofWhole, ...problems])
        if (problems.length === 0) for (const key of owned) if (!wanted.has(key)) owned.delete(key)
        return ofWhole.length === 0 && problems.length === 0
      } catch (error) {
        // What is being closed has not failed.
        if (signal.aborted && (signal.reason as Error).name !== 'TimeoutError') return false
        note([{ service: undefined, error, message: `the ${engine.name} engine: ${describeError(error)}` }])
        onSilence(troubles.get(undefined)?.failures ?? 0, error)
        return false
      }
    },
  }
}

/** One that was ours and is wanted otherwise begins anew; nobody else's is ended. */
function daemonChanges(
  standing: readonly SyncDaemon[],
  wanted: readonly SyncDaemon[],
  owned: ReadonlyMap<SyncRole, SyncDaemon>,
): EngineChange[] {
  const stands = (role: SyncRole): boolean => standing.some((daemon) => daemon.role === role)
  const ended = [...owned.keys()].filter((role) => stands(role) && !wanted.some((daemon) => daemon.role === role))
  const begun = wanted.filter((daemon) => {
    const before = owned.get(daemon.role)
    return !stands(daemon.role) || (before !== undefined && JSON.stringify(before) !== JSON.stringify(daemon))
  })
  return [
    ...ended.map((role): EngineChange => ({ kind: 'daemon.stop', role })),
    ...begun.map((daemon): EngineChange => ({ kind: 'daemon.start', daemon })),
  ]
}

/** All at once; where that fails, each service by itself, so that one taken port holds up nobody else. */
async function applyApart(
  engine: Engine,
  changes: readonly TableChange[],
  signal: AbortSignal,
): Promise<{ readonly made: readonly TableChange[]; readonly problems: readonly Problem[] }> {
  if (changes.length === 0) return { made: [], problems: [] }
  const groups = byService(changes)
  try {
    await engine.apply(changes, { signal })
    return { made: changes, problems: [] }
  } catch (error) {
    if (signal.aborted) throw error
    const [only, ...others] = groups.keys()
    if (others.length === 0) return { made: [], problems: [problemOf(only, error)] }
  }
  const made: TableChange[] = []
  const problems: Problem[] = []
  for (const [key, own] of groups) {
    try {
      await engine.apply(own, { signal })
      made.push(...own)
    } catch (error) {
      if (signal.aborted) throw error
      problems.push(problemOf(key, error))
    }
  }
  return { made, problems }
}

function byService(changes: readonly TableChange[]): ReadonlyMap<string, readonly TableChange[]> {
  const groups = new Map<string, TableChange[]>()
  for (const change of changes) {
    const key = serviceKey(changedService(change))
    const group = groups.get(key)
    if (group === undefined) groups.set(key, [change])
    else group.push(change)
  }
  return groups
}

function problemOf(service: string | undefined, error: unknown): Problem {
  const message = describeError(error)
  return {
    service,
    error,
    message: service === undefined || message.includes(service) ? message : `${service}: ${message}`,
  }
}
