/** The director as a process: its engine, its control socket, its log; until it is asked to end. */
import type { Logger } from 'pino'
import { within } from '../deadline.ts'
import { type Director, openDirector } from '../director/director.ts'
import { fileEditJournal } from '../director/edit-journal.ts'
import type { FindGuests } from '../director/following.ts'
import { fileIntentStore, type IntentStore } from '../director/intent.ts'
import { servicesOf } from '../director/intent-changes.ts'
import type { RestartGuest } from '../director/restarts/restarts.ts'
import type { Intent } from '../director/schemas.ts'
import type { EbpfTuning } from '../engines/ebpf/tuning.ts'
import type { Engine, EngineName, EngineReport } from '../engines/engine.ts'
import { openEngine } from '../engines/open.ts'
import { describeError, InfraError, isInfraError } from '../errors.ts'
import { machineTiming } from '../health/timing.ts'
import type { TraceFile } from '../health/trace-file.ts'
import type { Host } from '../hosts/host.ts'
import { serviceKey } from '../lvs/service.ts'
import { logEvent } from './event-log.ts'
import { directorFiles } from './files.ts'
import { openNotedVrrp, removeRouterTraces } from './left-by-routers.ts'
import { madeByHand, noteIpvs, removeIpvsTraces, removeServices } from './left-in-ipvs.ts'
import { openMetrics } from './metrics/metrics.ts'
import { notifyManager } from './notify.ts'

export type DaemonOptions = {
  readonly host: Host
  readonly engine: EngineName | 'auto'
  readonly ebpf?: EbpfTuning
  /** Why this engine, where somebody has chosen it. */
  readonly because?: string
  /** What `auto` is, for services that are not wanted here yet; `standing` is what ran here last. */
  readonly choose?: (standing: EngineName | undefined) => Promise<ChosenName | undefined>
  readonly log: Logger
  /** Ends the daemon in order. Its reason says by what: SIGTERM keeps traffic, where the engine can do that. */
  readonly signal: AbortSignal
  /** Present when a supervisor started it: its process id, and how often it had to. */
  readonly supervised: { readonly pid: number; readonly restarts: number } | undefined
  /** How a guest of this machine is restarted. */
  readonly restartGuest?: RestartGuest
  /** Where the guests of this machine are. */
  readonly findGuests?: FindGuests
  /** A file for all that is told of servers' health. */
  readonly checkTrace?: string
  /**
   * Called once it serves; what it returns is awaited, and ends the daemon when it fails.
   */
  readonly onReady?: (director: Director, serving: Serving) => Promise<void>
  /** Called at an orderly end while all still stands. */
  readonly onEnd?: (director: Director) => Promise<void>
}

/** `goesOn`: what stood before is there, as one that crashed or kept its traffic has left it. */
export type Serving = { readonly engine: EngineName; readonly goesOn: boolean }

/** Why, where that was chosen. */
type ChosenName = { readonly name: EngineName; readonly reason?: string }

const filesMs = 10_000
const leftoversMs = 30_000

/**
 * Resolves after an orderly end, when nothing is left that nobody wants. @throws InfraError `busy` when a director runs
 * on these directories already, `failed` (with `retryable`: a new process can do better) when its engine has died.
 */
export async function runDaemon(options: DaemonOptions): Promise<void> {
  const { host, signal, supervised } = options
  const files = directorFiles(host)
  await host.makeDirectory(host.directories.runtime, { signal, mode: 0o700 })
  await using _lock = await soleDirector(host, files.lock, signal)
  await host.writeFile(files.pid, `${supervised?.pid ?? process.pid}\n`, { signal, mode: 0o600 })
  try {
    const kept = await host.readFile(files.kept, { signal })
    // What was made by hand outlives a crash or its traffic: who starts a director anew finds its table empty.
    const goesOn = (supervised?.restarts ?? 0) > 0 || kept !== undefined
    const former = goesOn ? undefined : await madeByHand(host)
    if (!goesOn) await host.remove(files.byHand, { signal })
    const keptBy = await serve(options, former)
    if (keptBy !== undefined)
      await host.writeFile(files.kept, `${keptBy}\n`, { signal: AbortSignal.timeout(filesMs), mode: 0o600 })
    // With what a crash while it was written has left.
    const working = [`${files.byHand}.new`, `${files.byHand}.loading`, files.startedForAnother, files.routers]
    for (const path of keptBy === undefined ? [files.byHand, files.kept, files.inIpvs, ...working] : working)
      await host.remove(path, { signal: AbortSignal.timeout(filesMs) })
    if (keptBy === undefined) await removeUnwanted(host)
  } finally {
    await host.remove(files.pid, { signal: AbortSignal.timeout(filesMs) })
    // Last, and while it is held: from here on another director may live here.
    await host.remove(files.lock, { signal: AbortSignal.timeout(filesMs) })
  }
}

/**
 * Resolves at its end to the engine whose traffic goes on. `former`: what was made by hand through one before it and is to go;
 * undefined when it goes on with what stands.
 */
async function serve(options: DaemonOptions, former: ReadonlySet<string> | undefined): Promise<EngineName | undefined> {
  const goesOn = former === undefined
  const { host, ebpf, log, signal, supervised, onReady, onEnd } = options
  const { socket, byHand } = directorFiles(host)
  const { store, intent } = await loadedStore(host)
  const end = endOf(signal)
  const restarts = supervised?.restarts ?? 0
  const troubles = new Map<string, string>()
  await using metrics = openMetrics({
    timing: machineTiming,
    now: () => new Date(),
    restarts,
    onTrouble: (at, reason) => logMetrics(log, at, reason),
  })
  const { name, reason } = await chosenEngine(options, intent, goesOn)
  const soon = { signal: AbortSignal.timeout(leftoversMs) }
  if (name === 'ipvs') await noteIpvs(host, soon)
  else await removeIpvsTraces(host, soon)
  // Virtual routers that begin find by themselves what others have left.
  if (intent.clusters.every(({ vrrp }) => vrrp === undefined)) await removeRouterTraces(host, soon)
  const opened = await openEngine(name, {
    onReport(report) {
      metrics.report(report.kind)
      takeReport(report, troubles, log)
    },
    director: host.directories.runtime,
    ...(ebpf === undefined ? {} : { ebpf }),
  })
  if (former !== undefined) await removeLeftovers(opened, intent, former)
  let keeps = false
  await using trace = options.checkTrace === undefined ? undefined : await openTrace(options.checkTrace, log)
  await using director = await openDirector({
    ...metrics.hooks,
    engine: metrics.heed(opened),
    ...(reason === undefined ? {} : { engineReason: reason }),
    intent: store,
    journal: fileEditJournal(byHand),
    timing: machineTiming,
    now: () => new Date(),
    onEvent(event) {
      metrics.event(event)
      logEvent(log, event)
    },
    openVrrp: (onEvent) => openNotedVrrp(host, onEvent),
    onStop: (keep) => end.now({ asked: 'a client', keep }),
    keepsTraffic: () => keeps,
    onEngineLost: (error) => end.failed(error),
    engineTroubles: troubles,
    ...(trace === undefined ? {} : { onTrace: (record) => trace.write(record) }),
    restarts,
    ...(options.restartGuest === undefined ? {} : { restartGuest: options.restartGuest }),
    ...(options.findGuests === undefined ? {} : { findGuests: options.findGuests }),
    ...(ebpf === undefined ? {} : { ebpf }),
  })
  metrics.attach(director)
  // Loaded last: after a crash the services come first, and whoever asks meanwhile waits.
  const { listenControl } = await import('./server.ts')
  await using _control = await listenControl(director, socket, metrics.scrape)
  log.info({ component: 'director', engine: name, because: reason, restarts, socket }, 'director serves')
  await onReady?.(director, { engine: name, goesOn })
  await tellManager(host, log, 'READY=1', 'STATUS=serves')
  const { asked, keep } = await end.reached
  keeps = keep && opened.release !== undefined
  log.info({ component: 'director', asked, keeps }, 'director ends')
  await tellManager(host, log, 'STOPPING=1')
  await onEnd?.(director)
  return keeps ? name : undefined
}

/** `auto`: where traffic goes on, what it goes through; else what is chosen for what is wanted. */
async function chosenEngine(
  { host, engine, because, choose }: DaemonOptions,
  intent: Intent,
  goesOn: boolean,
): Promise<ChosenName> {
  if (engine !== 'auto') return because === undefined ? { name: engine } : { name: engine, reason: because }
  const kept = await host.readFile(directorFiles(host).kept, { signal: AbortSignal.timeout(filesMs) })
  const standing = kept === undefined ? intent.engine : (new TextDecoder().decode(kept).trim() as EngineName)
  const goingOn = standing === undefined ? undefined : { name: standing, reason: 'it ran here before' }
  if (goesOn && goingOn !== undefined) return goingOn
  const chosen = await choose?.(standing)
  if (chosen !== undefined) return chosen
  if (goingOn !== undefined) return goingOn
  return { name: 'userspace', reason: 'no service is wanted here yet, and it needs no privileges' }
}

/** Loaded when it is asked for: the fewer modules, the sooner a director that crashed is back. */
async function openTrace(path: string, log: Logger): Promise<TraceFile> {
  const { openTraceFile } = await import('../health/trace-file.ts')
  return openTraceFile(path, {
    now: () => ({ at: new Date(), atMs: machineTiming.now() }),
    onTrouble: (reason) => log.warn({ component: 'director', file: path, reason }, 'the trace of checks has ended'),
  })
}

/**
 * Who starts a director anew finds nothing but what clusters want: also where the engine has outlived the director before
 * it, with what was made by hand there. Where others have services, too, only that goes.
 */
async function removeLeftovers(engine: Engine, intent: Intent, former: ReadonlySet<string>): Promise<void> {
  const options = { signal: AbortSignal.timeout(leftoversMs) }
  const wanted = new Set(servicesOf(intent).map(({ service }) => serviceKey(service.id)))
  const standing = (await engine.read(options)).map(({ service: { id } }) => serviceKey(id))
  const own = engine.isShared === true ? standing.filter((key) => former.has(key)) : standing
  await removeServices(engine, new Set(own.filter((key) => !wanted.has(key))), options)
}

async function tellManager(host: Host, log: Logger, ...states: readonly string[]): Promise<void> {
  const reason = await notifyManager(host, process.env, ...states)
  if (reason !== undefined) log.warn({ component: 'director', reason }, 'systemd could not be told how far we are')
}

/** What the engine has told stands among the director's problems until it is well again. */
function takeReport({ kind, subject, message }: EngineReport, troubles: Map<string, string>, log: Logger): void {
  const entry = { component: 'engine', subject }
  if (kind === 'well') troubles.delete(subject)
  if (kind === 'trouble') troubles.set(subject, `${subject}: ${message}`)
  if (kind === 'well') log.info(entry, message)
  else log.warn(entry, message)
}

function logMetrics(log: Logger, at: string, reason: string | undefined): void {
  const entry = { component: 'metrics', at, reason }
  if (reason === undefined) log.info(entry, 'metrics are served there')
  else log.warn(entry, 'metrics cannot be served there; trying again')
}

type AskedEnd = { readonly asked: string; readonly keep: boolean }

type End = {
  /** Resolves to who asked, and whether traffic is to go on. */
  readonly reached: Promise<AskedEnd>
  now(end: AskedEnd): void
  failed(error: unknown): void
}

function endOf(signal: AbortSignal): End {
  let now: End['now'] = () => {}
  let fail: (error: InfraError) => void = () => {}
  const reached = new Promise<AskedEnd>((resolve, reject) => {
    now = resolve
    fail = reject
    const bySignal = (): void => resolve({ asked: String(signal.reason), keep: signal.reason === 'SIGTERM' })
    if (signal.aborted) bySignal()
    else signal.addEventListener('abort', bySignal, { once: true })
  })
  // It may fail before anybody waits for it.
  reached.catch(() => undefined)
  return {
    reached,
    now: (end) => now(end),
    failed: (cause) =>
      fail(
        new InfraError('failed', `the engine is lost: ${describeError(cause)}`, {
          subject: 'engine',
          retryable: true,
          cause,
        }),
      ),
  }
}

/** The store, read already: the engine is chosen before there is a director. */
async function loadedStore(host: Host): Promise<{ readonly store: IntentStore; readonly intent: Intent }> {
  const store = fileIntentStore(host)
  const loaded = await store.load({ signal: AbortSignal.timeout(filesMs) })
  return { store: { ...store, load: () => Promise.resolve(loaded) }, intent: loaded.intent }
}

async function soleDirector(host: Host, path: string, signal: AbortSignal): Promise<AsyncDisposable> {
  // A director that was killed a moment ago may still be on its way out.
  const waiting = within(signal, 1_000)
  return host.lock(path, { signal: waiting }).catch((error: unknown) => {
    if (signal.aborted || !isInfraError(error, 'timeout')) throw error
    throw new InfraError('busy', `a director already runs on ${host.directories.runtime}`, {
      subject: path,
      hint: 'see baton status; another BATON_RUNTIME_DIR gives a director of its own',
    })
  })
}

/** A director that nobody wants anything of leaves no file; one that is only stopped keeps its intent. */
async function removeUnwanted(host: Host): Promise<void> {
  const options = { signal: AbortSignal.timeout(filesMs) }
  const { intent } = await fileIntentStore(host).load(options)
  if (intent.clusters.length === 0 && intent.drains.length === 0)
    await host.remove(directorFiles(host).directory, options)
}
