/**
 * The eBPF engine: packets are balanced in the kernel by a program of Baton's own; this side installs its tables, ends
 * what is over, and counts. All that packets need is pinned: no end of this process stops them.
 */
import { existsSync } from 'node:fs'
import { describeError } from '../../errors.ts'
import { type DefenseLevel, defenseLevel, defenseMs } from '../../lvs/defense.ts'
import type { PortableConnection } from '../../lvs/portable-connection.ts'
import { type ServiceId, serviceKey } from '../../lvs/service.ts'
import { defaultSettings, type Settings, withSettings } from '../../lvs/settings.ts'
import { turns } from '../../turns.ts'
import {
  type CallOptions,
  type ChangedConnections,
  type Connection,
  type Engine,
  type EngineChange,
  type EngineInfo,
  type EngineReport,
  type FollowOptions,
  isTableChange,
  type ReadOptions,
  type ServiceSnapshot,
  type TableChange,
  type TakenConnections,
  type TraceAnswer,
  type TraceQuestion,
  throwIfCancelled,
} from '../engine.ts'
import { throwIfRefused } from '../refusals.ts'
import { Adopter } from './adopt.ts'
import { availablePages } from './available-pages.ts'
import { ebpfCapabilities } from './capabilities.ts'
import { listConnections } from './connections.ts'
import { DropEntry } from './drop-entry.ts'
import { exportAll, type Followed, followChanges } from './follow.ts'
import { defaultGround, type Ground, type GroundOptions, takeGround } from './ground.ts'
import { type HookOptions, Hooks } from './hooks.ts'
import { indexKey } from './maps.ts'
import { closeOwnRoutes, openOwnRoutes } from './own-routes.ts'
import { throwIfCutsOff } from './own-session.ts'
import { Pace } from './pace.ts'
import { otherPlaces, removeDeserted, removeGoneNamespaces, removeOtherVersions, removePlace } from './place.ts'
import { openProgram, type Program, throwIfUnprivileged } from './program.ts'
import { decodeSettings, encodeSettings, type Limits } from './settings.ts'
import { Statistics } from './statistics.ts'
import { marksOf, removeSteering, Steering } from './steering.ts'
import { Sweep } from './sweep.ts'
import { type ApplyPace, EbpfTable } from './table.ts'
import { trace } from './trace.ts'
import { type LimitTuning, limitsOf } from './tuning.ts'
import { type Job, Upkeep } from './upkeep.ts'
import { Vouch } from './vouch.ts'
import { Ways } from './ways.ts'

export type EbpfOptions = Partial<GroundOptions & Omit<HookOptions, 'root' | 'interfaces'>> & {
  readonly interfaces?: readonly string[]
  /** Tables that stand keep their size: they can take less, and not more. */
  readonly limits?: LimitTuning
  readonly onReport?: (report: EngineReport) => void
}

export type EbpfEngine = Engine & {
  readonly program: Program
  release(): Promise<void>
}

/** How often new interfaces are looked for. */
const lookMs = 2000
/** As the kernel's timers of lblc and lblcr have it. */
const forgetMs = 60_000

/**
 * Takes up what a director before this one has left here, or begins with an empty table.
 * @throws InfraError `permission`, `missing-tool` or `unsupported` where eBPF cannot be used, `busy` when another
 * director has one of the interfaces. Nothing is left behind then.
 */
export async function ebpfEngine(options: EbpfOptions = {}): Promise<EbpfEngine> {
  throwIfUnprivileged()
  const ground = takeGround({ ...defaultGround, ...options })
  const { root, directory, lockDirectory } = ground
  const stood = existsSync(directory)
  let program: Program | undefined
  let hooks: Hooks | undefined
  try {
    if (!stood) throwIfCutsOff(options)
    program = await openProgram(root, directory, limitsOf(options.limits))
    const { interfaces, attach = 'tcx', xdp = 'off' } = options
    hooks = new Hooks(program, { root, lockDirectory, interfaces, attach, xdp })
    // Before anything is written: what stands may be another director's.
    hooks.claim()
    openOwnRoutes()
    hooks.dropUnwanted()
    return new RunningEngine(program, hooks, ground, options)
  } catch (error) {
    if (stood) hooks?.release()
    else hooks?.detach()
    program?.[Symbol.dispose]()
    if (!stood) removePlace(root, directory)
    ground[Symbol.dispose]()
    throw error
  }
}

class RunningEngine implements EbpfEngine {
  readonly name = 'ebpf'
  readonly capabilities = ebpfCapabilities
  readonly program: Program
  readonly #hooks: Hooks
  readonly #ground: Ground
  readonly #table: EbpfTable
  readonly #statistics: Statistics
  readonly #sweep: Sweep
  readonly #dropEntry: DropEntry
  readonly #adopter: Adopter
  readonly #followed: Followed
  readonly #ways: Ways
  readonly #vouch: Vouch
  readonly #steering: Steering
  readonly #upkeep: Upkeep
  readonly #limits: Limits
  readonly #onReport: (report: EngineReport) => void
  #settings: Settings
  /** As the program was told of them. */
  #lookups = 0
  /** What drop_entry, drop_packet and secure_tcp mean now. */
  #level: DefenseLevel | undefined
  /** A program of another version goes on at our interfaces until this one has a table. */
  #isWaiting: boolean
  /** Aborted when this side ends. */
  readonly #ending = new AbortController()
  readonly #changes = turns()
  /** The table is between two states. */
  #isChanging = false

  constructor(program: Program, hooks: Hooks, ground: Ground, options: EbpfOptions) {
    const { maps, sizes } = program
    this.program = program
    this.#hooks = hooks
    this.#ground = ground
    this.#limits = withinSizes(limitsOf(options.limits), sizes)
    this.#onReport = options.onReport ?? (() => {})
    const standing = maps.settings.lookup(indexKey(0))
    this.#settings = (standing && decodeSettings(standing)) ?? defaultSettings
    this.#statistics = new Statistics(program)
    this.#table = new EbpfTable(maps, this.#statistics.kept)
    this.#writeSettings()
    this.#sweep = new Sweep(maps, program.reap)
    this.#dropEntry = new DropEntry(maps, program.reap)
    this.#adopter = new Adopter(program.adopting, program.adopt, this.#table)
    this.#followed = {
      maps,
      servers: this.#table.servers,
      marks: () => this.#table.marks(),
      timeouts: () => this.#settings.timeouts,
    }
    this.#ways = new Ways(this.#table)
    this.#steering = new Steering(program.steered, ground.lockDirectory)
    this.#tellOfLimits(limitsOf(options.limits))
    this.#isWaiting = !program.isContinued && hooks.hasPredecessor
    if (!this.#isWaiting) this.#serve()
    this.#vouch = new Vouch(maps.vouched)
    this.#upkeep = new Upkeep(this.#jobs(), (kind, message) => this.#report(kind, message))
  }

  async apply(changes: readonly EngineChange[], options: CallOptions): Promise<void> {
    throwIfCancelled(options, 'apply')
    throwIfRefused(this.name, ebpfCapabilities, changes)
    await this.#changes.take(() => this.#apply(changes, options))
  }

  async read(options: ReadOptions): Promise<readonly ServiceSnapshot[]> {
    throwIfCancelled(options, 'read')
    await this.#changes.idle()
    return await this.#statistics.snapshots(this.#table, options.only)
  }

  async info(options: CallOptions): Promise<EngineInfo> {
    throwIfCancelled(options, 'info')
    await this.#changes.idle()
    return { settings: this.#settings, daemons: [], tableSize: this.#limits.connections }
  }

  async zero(id: ServiceId | undefined, options: CallOptions): Promise<void> {
    throwIfCancelled(options, 'zero')
    await this.#changes.idle()
    const one = id && this.#table.services.get(serviceKey(id))
    const records = id === undefined ? [...this.#table.services.values()] : one === undefined ? [] : [one]
    await this.#statistics.zero(this.#table, records)
  }

  async *connections(options: CallOptions): AsyncIterable<Connection> {
    throwIfCancelled(options, 'connections')
    for await (const connection of listConnections(this.program.maps, this.#table.servers)) {
      throwIfCancelled(options, 'connections')
      yield connection
    }
  }

  async trace(question: TraceQuestion, options: CallOptions): Promise<TraceAnswer> {
    throwIfCancelled(options, 'trace')
    await this.#changes.idle()
    return await trace(this.program, this.#table, question)
  }

  exportConnections(options: CallOptions): AsyncIterable<readonly PortableConnection[]> {
    throwIfCancelled(options, 'exportConnections')
    return exportAll(this.#followed, this.#untilEnd(options))
  }

  changedConnections(options: FollowOptions): AsyncIterable<ChangedConnections> {
    return followChanges(this.#followed, options.rules, this.#untilEnd(options))
  }

  async takeConnections(connections: readonly PortableConnection[], options: CallOptions): Promise<TakenConnections> {
    throwIfCancelled(options, 'takeConnections')
    return await this.#adopter.take(connections, this.#untilEnd(options))
  }

  async release(): Promise<void> {
    await this.#stop()
    this.#vouch[Symbol.dispose]()
    this.#steering.release()
    this.#hooks.release()
    this.program[Symbol.dispose]()
    this.#ground[Symbol.dispose]()
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#stop()
    this.#vouch[Symbol.dispose]()
    this.#steering.remove()
    this.#hooks.detach()
    closeOwnRoutes()
    removePlace(this.#ground.root, this.program.directory)
    this.program[Symbol.dispose]()
    this.#ground[Symbol.dispose]()
  }

  /** Nothing is under way any more, and nothing begins. */
  async #stop(): Promise<void> {
    this.#upkeep[Symbol.dispose]()
    this.#sweep[Symbol.dispose]()
    this.#ending.abort()
    await this.#changes.idle()
  }

  /** Packets meet the program; what is in its stead nowhere now goes. Whether anything did. */
  #serve(): boolean {
    const { root, directory, lockDirectory } = this.#ground
    this.#hooks.attach()
    const hasMarks = this.#standingIds().some(({ kind }) => kind === 'fwmark')
    if (!hasMarks && otherPlaces(root, directory).length === 0) removeSteering(lockDirectory)
    this.#steer()
    removeGoneNamespaces(root)
    return [removeOtherVersions(directory), removeDeserted(root, directory, lockDirectory)].some((removed) => removed)
  }

  #succeed(): void {
    this.#isWaiting = false
    if (this.#serve())
      this.#report(
        'well',
        'in place of a program of another version: connections through that one are not gone on with',
      )
  }

  async #apply(changes: readonly EngineChange[], options: CallOptions): Promise<void> {
    const goesOn = (): void => throwIfCancelled({ signal: this.#ending.signal }, 'apply')
    const isWanted = (): void => {
      goesOn()
      throwIfCancelled(options, 'apply')
    }
    isWanted()
    const [drafting, publishing] = [new Pace(isWanted), new Pace(goesOn)]
    const table = changes.filter(isTableChange)
    if (table.length > 0) await this.#applyTable(table, { drafting, publishing })
    for (const change of changes)
      if (change.kind === 'settings') this.#settings = withSettings(this.#settings, change.settings)
    if (table.length < changes.length || this.#table.lookups !== this.#lookups) this.#writeSettings()
    await this.#ways.look(table, publishing)
    if (table.length > 0) this.#adoptLate()
    if (this.#isWaiting && table.length > 0) this.#succeed()
  }

  /**
   * Packets with new marks are brought here before there is a service for them, so that nothing is changed where they
   * cannot be; those with old ones until there is none any more.
   */
  async #applyTable(changes: readonly TableChange[], pace: ApplyPace): Promise<void> {
    const put = changes.flatMap((change) => ('service' in change ? [change.service.id] : []))
    this.#steering.follow(marksOf([...this.#standingIds(), ...put]))
    this.#isChanging = true
    try {
      await this.#table.apply(changes, pace)
    } finally {
      this.#isChanging = false
      if (!this.#ending.signal.aborted) this.#steer()
    }
  }

  #adoptLate(): void {
    const { signal } = this.#ending
    this.#adopter.retry(signal).catch((error: unknown) => {
      if (!signal.aborted) this.#report('trouble', describeError(error))
    })
  }

  #untilEnd({ signal }: CallOptions): AbortSignal {
    return AbortSignal.any([signal, this.#ending.signal])
  }

  #standingIds(): ServiceId[] {
    return [...this.#table.services.values()].map(({ id }) => id)
  }

  /** To just the services that stand. */
  #steer(): void {
    try {
      this.#steering.follow(marksOf(this.#standingIds()))
    } catch (error) {
      this.#report('trouble', describeError(error))
    }
  }

  #writeSettings(): void {
    this.#lookups = this.#table.lookups
    this.#level = defenseLevel(this.#settings.sysctls, availablePages())
    this.#settings = withSettings(this.#settings, { sysctls: this.#level.modes })
    const settings = encodeSettings(this.#settings, this.#limits, { lookups: this.#lookups, level: this.#level })
    this.program.maps.settings.update(indexKey(0), settings)
  }

  #jobs(): readonly Job[] {
    const isOrphanEnded = (): boolean => this.#settings.sysctls.expire_nodest_conn !== 0
    return [
      { everyMs: 250, run: (nowMs) => this.#vouch.tick(nowMs) },
      {
        everyMs: 250,
        run: (nowMs) => this.#sweep.tick(nowMs, () => (isOrphanEnded() ? this.#table.leavingSlots() : new Set())),
      },
      { everyMs: defenseMs, run: () => this.#defend() },
      {
        everyMs: 250,
        run: () => {
          if (!this.#isChanging) this.#table.tick()
        },
      },
      { everyMs: 250, run: () => this.#ways.refresh() },
      { everyMs: 250, run: (nowMs) => this.#statistics.tick(this.#table, nowMs) },
      { everyMs: lookMs, run: () => this.#look() },
      { everyMs: forgetMs, run: () => this.#table.forget(this.#settings.sysctls, this.#ending.signal) },
    ]
  }

  #defend(): void {
    const { drop_entry, drop_packet, secure_tcp } = this.#settings.sysctls
    if (drop_entry + drop_packet + secure_tcp === 0) return
    // The automatic modes turn with the memory.
    this.#writeSettings()
    if (this.#level?.dropsEntries === true) this.#dropEntry.run()
  }

  /** For interfaces that are new; and a program of another version is not waited with for ever, where nothing is wanted. */
  #look(): void {
    if (this.#isChanging) return
    this.#hooks.claim()
    if (this.#isWaiting) this.#succeed()
    else this.#hooks.attach()
  }

  #tellOfLimits(wanted: Limits): void {
    for (const name of ['connections', 'templates'] as const)
      if (this.#limits[name] < wanted[name])
        this.#onReport({
          kind: 'trouble',
          subject: `limit ${name}`,
          message: `${this.#limits[name]} instead of ${wanted[name]}: the tables of the director before this one take no more; baton director stop --flush ends them and their connections`,
        })
  }

  #report(kind: EngineReport['kind'], message: string): void {
    this.#onReport({ kind, subject: 'ebpf engine', message })
  }
}

function withinSizes(wanted: Limits, { connections, templates }: Program['sizes']): Limits {
  return {
    'half-open': wanted['half-open'],
    connections: Math.min(wanted.connections, connections),
    templates: Math.min(wanted.templates, templates),
  }
}
