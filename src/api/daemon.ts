/** The director as a process: its engine, its control socket, its log; until it is asked to end. */
import type { Logger } from 'pino'
import { type Director, openDirector } from '../director/director.ts'
import type { DirectorEvent } from '../director/events.ts'
import { fileIntentStore } from '../director/intent.ts'
import type { EngineName } from '../engines/engine.ts'
import { openEngine } from '../engines/open.ts'
import { InfraError, isInfraError } from '../errors.ts'
import { machineTiming } from '../health/timing.ts'
import type { Host } from '../hosts/host.ts'
import { controlSocket } from './client.ts'
import { listenControl } from './server.ts'

export type DaemonOptions = {
  readonly host: Host
  readonly engine: EngineName | 'auto'
  readonly log: Logger
  /** Ends the daemon in order. */
  readonly signal: AbortSignal
  readonly restarts: number
  /** Called once it serves; what it returns is awaited at the end. */
  readonly onReady?: (director: Director) => Promise<void>
}

/** Resolves after an orderly end. @throws InfraError `busy` when a director already runs on these directories. */
export async function runDaemon({ host, engine, log, signal, restarts, onReady }: DaemonOptions): Promise<void> {
  const { runtime, state } = host.directories
  await host.makeDirectory(runtime, { signal, mode: 0o700 })
  await using _lock = await soleDirector(host, `${runtime}/director.lock`, signal)
  const stopping = new AbortController()
  const end = AbortSignal.any([signal, stopping.signal])
  {
    await using director = await openDirector({
      engine: await openEngine(engine),
      intent: fileIntentStore(host),
      timing: machineTiming,
      now: () => new Date(),
      onEvent: (event) => logEvent(log, event),
      onStop: () => stopping.abort(),
      restarts,
    })
    await using _control = await listenControl(director, controlSocket(host))
    log.info({ component: 'director', engine, restarts, socket: controlSocket(host) }, 'director serves')
    await onReady?.(director)
    if (!end.aborted)
      await new Promise<void>((resolve) => end.addEventListener('abort', () => resolve(), { once: true }))
    log.info({ component: 'director', asked: stopping.signal.aborted ? 'by a client' : 'by a signal' }, 'director ends')
  }
  await leaveNothing(host, `${state}/director`, `${runtime}/director.lock`)
}

async function soleDirector(host: Host, path: string, signal: AbortSignal): Promise<AsyncDisposable> {
  // A director that was killed a moment ago may still be on its way out.
  const waiting = AbortSignal.any([signal, AbortSignal.timeout(1_000)])
  return host.lock(path, { signal: waiting }).catch((error: unknown) => {
    if (signal.aborted || !isInfraError(error, 'timeout')) throw error
    throw new InfraError('busy', `a director already runs on ${host.directories.runtime}`, {
      subject: path,
      hint: 'see baton status; another BATON_RUNTIME_DIR gives a director of its own',
    })
  })
}

/** A director that nobody wants anything of leaves no file; one that is only stopped keeps its intent. */
async function leaveNothing(host: Host, directory: string, lock: string): Promise<void> {
  const options = { signal: AbortSignal.timeout(5_000) }
  const { intent } = await fileIntentStore(host).load(options)
  if (intent.clusters.length === 0 && intent.drains.length === 0) await host.remove(directory, options)
  await host.remove(lock, options)
}

function logEvent(log: Logger, event: DirectorEvent): void {
  const { kind, ...fields } = event
  const entry = { component: 'director', event: kind, ...fields }
  if (isTrouble(event)) log.warn(entry, messages[kind])
  else log.info(entry, messages[kind])
}

function isTrouble(event: DirectorEvent): boolean {
  if (event.kind === 'server.health') return event.to === 'unhealthy'
  if (event.kind === 'service.state') return event.to !== 'served'
  return event.kind === 'engine.failed' || event.kind === 'intent.trouble'
}

const messages: Readonly<Record<DirectorEvent['kind'], string>> = {
  'server.health': 'server health changed',
  'server.added': 'server added',
  'server.changed': 'server changed',
  'server.removed': 'server removed',
  'service.added': 'service added',
  'service.changed': 'service changed',
  'service.removed': 'service removed',
  'service.state': 'who serves the service changed',
  'engine.failed': 'the engine could not be brought to what is wanted; trying again',
  'engine.recovered': 'the engine is as wanted again',
  'cluster.put': 'cluster put',
  'cluster.removed': 'cluster removed',
  'server.drained': 'server drained by hand',
  'server.undrained': 'drain undone by hand',
  'guest.moved': 'guest is reached elsewhere',
  'intent.trouble': 'the kept intent could not be read',
}
