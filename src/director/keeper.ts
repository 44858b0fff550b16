/** Keeps the intent, on disk and in the engine: one change after the other, with the checks and the loop that follow. */
import type { Engine, EngineChange, ServiceSnapshot } from '../engines/engine.ts'
import { InfraError, isInfraError } from '../errors.ts'
import type { Probe, ProbeSpec } from '../health/check.ts'
import type { Checker } from '../health/checker.ts'
import type { CheckResult } from '../health/target.ts'
import { deadline, type Timing } from '../health/timing.ts'
import type { TraceRecord } from '../health/trace.ts'
import type { EditResult, TableEdit } from '../lvs/edit.ts'
import { realServerKey, serviceKey } from '../lvs/service.ts'
import { turns } from '../turns.ts'
import type { HandTable } from './by-hand.ts'
import { type ProbeWatcher, sickServers } from './checks.ts'
import type { CallOptions } from './control.ts'
import { type EditJournal, memoryEditJournal } from './edit-journal.ts'
import type { DirectorEvent } from './events.ts'
import { fallbackCommands } from './fallback-commands.ts'
import { openHandKeeper } from './hand-keeper.ts'
import type { IntentStore } from './intent.ts'
import { renewedEndpoints, servicesOf, withClusters } from './intent-changes.ts'
import { type Lookout, openLookout } from './lookout.ts'
import { type MaintenanceSource, machineMaintenance } from './maintenance-watch.ts'
import { reconcileLoop } from './reconcile-loop.ts'
import { type Problem, reconciler, settingsSubject, type Wanted } from './reconciler.ts'
import type { Intent } from './schemas.ts'
import { wantedSettings } from './settings.ts'
import { type RunLine, runLine } from './shell-line.ts'
import { machineSurroundings, type Surroundings } from './surroundings.ts'
import type { Table } from './table.ts'
import { throwIfAborted, unlessAborted } from './waiting.ts'
import { bothSides, type SidesOf, syncOwner, wantedDaemons } from './wanted-daemons.ts'

export type KeeperOptions = {
  readonly engine: Engine
  readonly intent: IntentStore
  /** Where edits by hand are kept; left out, in memory only. */
  readonly journal?: EditJournal
  /** What edits are judged against; left out, this machine. */
  readonly surroundings?: (withInterfaces: boolean) => Promise<Surroundings>
  readonly timing: Timing
  readonly onEvent: (event: DirectorEvent) => void
  /** Opens the probe of a check; left out, the real ones. */
  readonly openProbe?: (spec: ProbeSpec) => Probe
  /** Told all that the machines of the checks are told. */
  readonly onTrace?: (record: TraceRecord) => void
  /** Called with what is wanted, whenever it is something else, before anything is done about it. */
  readonly onIntent?: (intent: Intent) => void
  /** Called with every result of every check, and the servers it speaks for. */
  readonly onResult?: (result: CheckResult, watchers: readonly ProbeWatcher[]) => void
  /** Called after each round of keeping the engine at what is wanted, with whether it is. */
  readonly onRound?: (isWell: boolean) => void
  /** Where maintenance directories are read and addresses have names; left out, on this machine. */
  readonly maintenance?: MaintenanceSource
  /** Runs fallback commands; left out, by the shell. */
  readonly runLine?: RunLine
  /** How often the daemon had crashed before: what it had begun then is not known. */
  readonly restarts?: number
  /** Called once when the engine itself does not answer any more: only a new one can help. */
  readonly onEngineLost?: (error: unknown) => void
  /** Which sides of its synchronisation a cluster has now; left out, both. When that changes, `again` is to be called. */
  readonly syncSides?: SidesOf
  /** Asked at the end: whether traffic is to go on without this process, where the engine can do that. */
  readonly keepsTraffic?: () => boolean
}

/** So many times in a row the engine may fail to answer. */
const lostAfter = 3

/** Between so many edits others get their turn. */
const editsAtOnce = 4096

/** How long one conversation with the engine or the disk may take. */
const engineMs = 30_000

export type Keeper = AsyncDisposable & {
  readonly checker: Checker
  readonly look: Lookout['look']
  /** As it was last wanted. */
  readonly table: () => Table
  readonly intent: () => Intent
  /** What is wanted may be something else now, for a reason of its caller's: looks anew. */
  again(): void
  readonly problems: () => readonly string[]
  /** One change after the other: on disk first, then in the engine. Where the engine cannot follow, all is as before. */
  change(options: CallOptions, next: (intent: Intent) => Intent, about?: About): Promise<void>
  /** What was made by hand. */
  readonly byHand: HandTable
  edit(options: CallOptions, edits: readonly TableEdit[]): Promise<readonly EditResult[]>
}

type About = {
  /** The cluster whose services must stand in the end. */
  readonly cluster?: string
  /** A guest that was started again: its sick servers begin anew. */
  readonly started?: string
  /** Called at the change's own end, with why it failed: also when its caller has not waited for it. */
  readonly onEnd?: (failure: unknown) => void
}

export async function openKeeper(options: KeeperOptions): Promise<Keeper> {
  const { engine, intent: store, timing, onEvent, onIntent, onEngineLost } = options
  const { journal = memoryEditJournal(), surroundings = machineSurroundings } = options
  const closing = new AbortController()
  const limited = async <T>(body: (signal: AbortSignal) => Promise<T>): Promise<T> => {
    using limit = deadline(timing, closing.signal, engineMs)
    return await body(limit.signal)
  }
  const loaded = await limited((signal) => store.load({ signal }))
  if (loaded.trouble !== undefined) onEvent({ kind: 'intent.trouble', reason: loaded.trouble })
  let intent = loaded.intent
  onIntent?.(intent)
  let owners = ownersIn(intent)
  /** Servers that must prove themselves again, by key, until the next round has told the checker. */
  const anew = new Set<string>()
  let table: Table = new Map()
  const lookout = openLookout({
    ...options,
    maintenance: options.maintenance ?? machineMaintenance(),
    thresholds: engine.capabilities.thresholds,
    onChange: () => loop.trigger(),
  })
  const commands = fallbackCommands({
    run: options.runLine ?? runLine,
    timing,
    onRun: (run) => onEvent({ kind: 'command.ran', ...run }),
    isUnsure: (options.restarts ?? 0) > 0,
  })
  const rounds = reconciler(engine, onEvent, (failures, error) => {
    if (failures === lostAfter) onEngineLost?.(error)
  })
  const hand = await openHandKeeper({
    engine,
    journal,
    surroundings,
    onEvent,
    ownerOf: (key) => owners.get(key),
    syncOwner: () => syncOwner(intent.clusters),
    onAsk: (keys) => rounds.own(keys),
  })
  const want = (standing: readonly ServiceSnapshot[]): Wanted => {
    table = lookout.table(intent, standing, anew)
    anew.clear()
    return {
      table,
      byHand: hand.table.services,
      leaving: intent.leaving,
      settings: wantedSettings(intent.clusters, hand.table.timeouts()),
      daemons: wantedDaemons(intent.clusters, hand.table.daemons(), options.syncSides ?? (() => bothSides)),
    }
  }
  /** Whoever reads the engine to change it is alone with it until he is done. */
  const engineTurns = turns()
  const loop = reconcileLoop(
    () =>
      engineTurns.take(async () => {
        await hand.mend()
        const isDone = await limited((signal) => rounds.round(want, signal))
        commands.see(intent, table)
        options.onRound?.(isDone)
        return isDone
      }),
    timing,
    closing.signal,
  )

  const commit = async (next: Intent, started?: string): Promise<void> => {
    await limited((signal) => store.save(next, { signal }))
    await lookout.follow(next.clusters)
    // In one go with the intent: a round between the two would lose them.
    for (const endpoint of renewedEndpoints(intent, next)) anew.add(realServerKey(endpoint))
    for (const server of sickServers(servicesOf(next), started, lookout.checker)) anew.add(server)
    intent = next
    onIntent?.(intent)
    owners = ownersIn(intent)
    await loop.settle()
  }
  const forgetLeft = async (): Promise<void> => {
    if (intent.leaving.length === 0 || rounds.problems().length > 0) return
    intent = { ...intent, leaving: [] }
    await limited((signal) => store.save(intent, { signal }))
  }
  const make = async (next: (intent: Intent) => Intent, about: About): Promise<void> => {
    const before = intent
    const after = { ...next(before), engine: engine.name }
    await commit(after, about.started)
    const troubles = troublesOf(rounds.problems(), [before, after], about)
    if (troubles.length > 0) {
      await commit({ ...withClusters(after, before.clusters), drains: before.drains })
      throw asOneError(troubles, about.cluster ?? engine.name)
    }
    await forgetLeft()
  }
  /** From an engine that outlives us and has services of others: what is ours there. */
  const withdraw = async (): Promise<void> => {
    const call = { signal: AbortSignal.timeout(engineMs) }
    const own = new Set([...table.keys(), ...hand.table.services.keys(), ...intent.leaving])
    const standing = await engine.read(call)
    const changes = standing.flatMap(({ service: { id } }): EngineChange[] =>
      own.has(serviceKey(id)) ? [{ kind: 'service.remove', id }] : [],
    )
    for (const { role } of wantedDaemons(intent.clusters, hand.table.daemons(), () => bothSides))
      changes.push({ kind: 'daemon.stop', role })
    if (changes.length > 0) await engine.apply(changes, call)
  }
  const requests = turns()
  const queue = <T>(call: CallOptions, body: () => Promise<T>): Promise<T> => {
    const mine = requests.take(() => {
      throwIfAborted(call)
      return body()
    })
    return unlessAborted(call, mine)
  }
  await lookout.follow(intent.clusters)
  await loop.settle()
  return {
    checker: lookout.checker,
    look: lookout.look,
    table: () => table,
    problems: () => [
      ...rounds.problems().map(({ message }) => message),
      ...[hand.problem() ?? []].flat(),
      ...lookout.problems(),
    ],
    byHand: hand.table,
    again: () => loop.trigger(),
    async edit(call, edits) {
      const results: EditResult[] = []
      for (let at = 0; at < edits.length; at += editsAtOnce) {
        const some = edits.slice(at, at + editsAtOnce)
        results.push(...(await queue(call, () => engineTurns.take(() => limited((signal) => hand.edit(some, signal))))))
      }
      return results
    },
    intent: () => intent,
    change: (call, next, about = {}) =>
      queue(call, async () => {
        try {
          await make(next, about)
        } catch (error) {
          about.onEnd?.(error)
          throw error
        }
        about.onEnd?.(undefined)
      }),
    async [Symbol.asyncDispose]() {
      closing.abort()
      await requests.idle()
      await loop[Symbol.asyncDispose]()
      await commands[Symbol.asyncDispose]()
      await lookout[Symbol.asyncDispose]()
      const keeps = options.keepsTraffic?.() === true
      if (!keeps && engine.isShared === true) await withdraw()
      const kept = keeps ? engine.release?.() : undefined
      await (kept ?? engine[Symbol.asyncDispose]())
    },
  }
}

/** `cluster/service` by service key. */
function ownersIn({ clusters }: Intent): ReadonlyMap<string, string> {
  return new Map(
    clusters.flatMap(({ cluster, services }) =>
      services.map(({ name, service }) => [serviceKey(service.id), `${cluster}/${name}`] as const),
    ),
  )
}

/** The problems that make a change fail: the engine as a whole, and any service of the cluster that was put. */
function troublesOf(problems: readonly Problem[], intents: readonly Intent[], { cluster }: About): Problem[] {
  const own = intents.flatMap(({ clusters }) =>
    servicesOf({ clusters: clusters.filter((one) => one.cluster === cluster) }),
  )
  const keys = new Set([...own.map(({ service }) => serviceKey(service.id)), settingsSubject])
  return problems.filter(({ service }) => service === undefined || keys.has(service))
}

function asOneError([first, ...others]: readonly Problem[], subject: string): InfraError {
  const message = [first, ...others].map((problem) => problem?.message).join('; ')
  if (!isInfraError(first?.error)) return new InfraError('failed', message, { subject, cause: first?.error })
  const { code, retryable, hint } = first.error
  return new InfraError(code, message, {
    subject,
    retryable,
    cause: first.error,
    ...(hint === undefined ? {} : { hint }),
  })
}
