/** The daemon itself: from its start to the signal that ends it. In the foreground with -d and supervised=yes. */
import type { Launch } from '../../../api/launch.ts'
import { engineFor } from '../../../cluster/engine-for.ts'
import { given } from '../../../cluster/spec/given.ts'
import type { EngineName } from '../../../engines/engine.ts'
import { describeError, isInfraError } from '../../../errors.ts'
import type { Finding } from '../../../formats/ldirectord/model.ts'
import { localHost } from '../../../hosts/local/local.ts'
import { convertLdirectord } from '../convert.ts'
import { type LogTarget, logTarget } from '../duties/log-line.ts'
import { type MovableLog, openMovableLog } from '../duties/log-sink.ts'
import { openMailer } from '../duties/mailer.ts'
import { type Companion, ConfigurationError, openCompanion } from './companion.ts'
import { ownDirector } from './director.ts'
import { directorName } from './help.ts'
import type { Instance } from './instance.ts'
import { removePidFile, writePidFile } from './pid-file.ts'
import { findingText, type ReadFile } from './read.ts'

/** `daemon`: with a pid file and a log; the others in the foreground, without both. */
export type DaemonMode = 'daemon' | 'debug' | 'supervised'

export type DaemonOptions = {
  readonly instance: Instance
  readonly read: ReadFile
  readonly mode: DaemonMode
  readonly defaultLog: string
  /** Words that begin a call of ldirectord, and of Baton. */
  readonly ldirectord: readonly string[]
  readonly baton: readonly string[]
  readonly environment: Readonly<Record<string, string | undefined>>
  readonly out: (text: string) => void
  /** To whoever started it, for as long as he waits. */
  readonly err: (text: string) => void
  readonly onReady: () => void
}

const exitCodes = { ok: 0, failed: 1, configuration: 2 } as const

const endSignals = ['SIGTERM', 'SIGINT', 'SIGQUIT', 'SIGABRT', 'SIGXCPU', 'SIGXFSZ', 'SIGSYS'] as const

export function daemonTarget(mode: DaemonMode, logfile: string): LogTarget {
  return mode === 'daemon' ? logTarget(logfile) : { kind: mode }
}

/** Resolves to the exit code. */
export async function runDaemon(options: DaemonOptions): Promise<number> {
  const { instance, mode, read, err, onReady } = options
  const signals = caughtSignals()
  const { defaultLog, out } = options
  await using log = openMovableLog({
    target: daemonTarget(mode, read.file.globals.logfile?.value ?? defaultLog),
    instance: instance.name,
    pid: process.pid,
    now: () => new Date(),
    out,
    err,
  })
  log.write(
    mode === 'daemon' ? `Starting ${directorName} as daemon` : `Starting ${directorName} with pid: ${process.pid}`,
  )
  process.on('uncaughtException', (error) => {
    log.write(`Error [${process.pid}]: this is a bug in Baton: ${error.stack ?? error.message}`)
    if (mode === 'daemon') removePidFile(instance.pidFile, process.pid)
    process.exit(exitCodes.failed)
  })
  if (mode === 'daemon') {
    try {
      writePidFile(instance.pidFile, process.pid)
    } catch {
      return fail(`Can not open ${instance.pidFile}`, options, log)
    }
  }
  try {
    const companion = await opened(options, log, signals)
    if (typeof companion === 'number') return companion
    onReady()
    signals.onReload(() => void companion.reload())
    const name = await signals.ended
    await companion.stop()
    log.write(`Linux Director Daemon terminated on signal: ${name.replace('SIG', '')}`)
    return exitCodes.ok
  } catch (error) {
    if (signals.signal.aborted) return exitCodes.ok
    const hint = isInfraError(error) && error.hint !== undefined ? `\nhint: ${error.hint}` : ''
    return fail(`Error [${process.pid}]: ${describeError(error)}${hint}`, { ...options, err }, log)
  } finally {
    if (mode === 'daemon') removePidFile(instance.pidFile, process.pid)
  }
}

async function opened(
  { instance, read, environment, ldirectord, baton, err, mode, defaultLog }: DaemonOptions,
  log: MovableLog,
  signals: Caught,
): Promise<Companion | number> {
  const host = localHost()
  let isReady = false
  const onFindings = (findings: readonly Finding[]): void => {
    for (const finding of findings) {
      const text = findingText(finding, instance.shown, process.pid)
      if (isReady && mode !== 'debug') log.write(text)
      else err(`${text}\n`)
    }
  }
  const launch = launchOf((environment['BATON_ENGINE'] ?? 'auto') as EngineName | 'auto', read, instance.name)
  const mailer = openMailer({ log: (message) => log.write(message) })
  try {
    const companion = await openCompanion(
      {
        instance,
        director: ownDirector(host, { ...launch, program: baton }, instance.name),
        commands: { host, ldirectord, log: (message) => log.write(message) },
        mailer,
        log: (message) => log.write(message),
        onFindings,
        onServed: ({ plan }) => log.moveTo(daemonTarget(mode, plan.logfile ?? defaultLog)),
      },
      read,
      signals.signal,
    )
    isReady = true
    return {
      reload() {
        log.write('Reloading Linux Director Daemon config on signal')
        return companion.reload()
      },
      async stop() {
        await companion.stop()
        await mailer[Symbol.asyncDispose]()
      },
    }
  } catch (error) {
    await mailer[Symbol.asyncDispose]()
    if (!(error instanceof ConfigurationError)) throw error
    log.write(`Exiting with exit_status ${exitCodes.configuration}: config_error: ${error.message}`)
    return exitCodes.configuration
  }
}

/** `auto`: what can carry the file; one that runs already stays. */
function launchOf(engine: EngineName | 'auto', { file }: ReadFile, cluster: string): Omit<Launch, 'program'> {
  if (engine !== 'auto') return { engine }
  const { spec } = convertLdirectord(file, { cluster, directory: process.cwd(), company: 'daemon' })
  if (spec === undefined) return { engine }
  const { name, reason } = engineFor(spec)
  return { engine: name, ...given('because', reason), keeps: true }
}

function fail(message: string, { mode, err }: Pick<DaemonOptions, 'mode' | 'err'>, log: MovableLog): number {
  log.write(message)
  if (mode !== 'debug') err(`${message}\n`)
  log.write(`Exiting with exit_status ${exitCodes.failed}: Initialisation Error`)
  return exitCodes.failed
}

type Caught = {
  readonly signal: AbortSignal
  /** Resolves to the name of the signal that asked for an end. */
  readonly ended: Promise<NodeJS.Signals>
  /** A SIGHUP that came before counts too. */
  onReload(reload: () => void): void
}

/** From here on. A second Ctrl-C ends the process there and then; any other signal that comes again changes nothing. */
function caughtSignals(): Caught {
  const controller = new AbortController()
  let reload: (() => void) | undefined
  let isAsked = false
  process.on('SIGHUP', () => {
    if (reload === undefined) isAsked = true
    else reload()
  })
  const ended = new Promise<NodeJS.Signals>((resolve) => {
    for (const name of endSignals)
      process.on(name, () => {
        if (controller.signal.aborted && name === 'SIGINT') process.exit(exitCodes.failed)
        controller.abort()
        resolve(name)
      })
  })
  return {
    signal: controller.signal,
    ended,
    onReload(wanted) {
      reload = wanted
      if (isAsked) wanted()
    },
  }
}
