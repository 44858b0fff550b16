/** The daemon itself: from its start to the signal that ends it. */
import { renameSync, writeFileSync } from 'node:fs'
import { resolve } from 'node:path'
import type { EngineName } from '../../../engines/engine.ts'
import { describeError, isInfraError } from '../../../errors.ts'
import { localHost } from '../../../hosts/local/local.ts'
import { ownDirector } from '../../ldirectord/program/director.ts'
import type { StartOptions } from '../arguments.ts'
import { openCompanion } from './companion.ts'
import { type Log, openLog } from './log.ts'
import { isRunning, writePidFiles } from './pid-files.ts'

export type DaemonOptions = {
  readonly start: StartOptions & { readonly file: string }
  /** As the log names the program. */
  readonly version: string
  /** Words that begin a call of Baton. */
  readonly baton: readonly string[]
  readonly environment: Readonly<Record<string, string | undefined>>
  readonly err: (text: string) => void
  readonly onReady: () => void
}

/** keepalived's own (its lib/bitops.h). */
const exitCodes = { ok: 0, fatal: 1, configuration: 2 } as const
/** What SIGUSR1 and SIGUSR2 write, as keepalived does. */
const dataFile = '/tmp/keepalived.data'
const statsFile = '/tmp/keepalived.stats'
const askMs = 15_000

/** Resolves to the exit code. */
export async function runDaemon(options: DaemonOptions): Promise<number> {
  const { start, version, err } = options
  await using log = openLog(start, err)
  log.write(`Starting Keepalived ${version}`)
  if (isRunning(start.pidFile)) {
    log.write('daemon is already running')
    return exitCodes.ok
  }
  const { umask } = start
  if (umask !== undefined) process.umask(umask)
  const ending = endSignal()
  try {
    using _pidFiles = writePidFiles([start.pidFile, ...start.morePidFiles])
    return await serve(options, log, ending)
  } catch (error) {
    if (ending.aborted) return exitCodes.ok
    log.write(describeError(error))
    if (isInfraError(error) && error.hint !== undefined) log.write(`hint: ${error.hint}`)
    return isInfraError(error, 'invalid') || isInfraError(error, 'not-found')
      ? exitCodes.configuration
      : exitCodes.fatal
  } finally {
    log.write(`Stopped Keepalived ${version}`)
  }
}

async function serve(
  { start, environment, baton, onReady }: DaemonOptions,
  log: Log,
  ending: AbortSignal,
): Promise<number> {
  const engine = (environment['BATON_ENGINE'] ?? 'auto') as EngineName | 'auto'
  const director = ownDirector(localHost(), { engine, program: baton }, 'keepalived')
  const write = (message: string): void => log.write(message)
  let isUp = false
  let companion: Awaited<ReturnType<typeof openCompanion>> | undefined
  process.on('SIGHUP', () => void companion?.reload())
  const dump = (path: string, what: 'all' | 'services'): void => {
    if (!isUp) return
    const signal = AbortSignal.timeout(askMs)
    void director.control
      .status({ signal })
      .then((status) => writeWhole(path, JSON.stringify(what === 'all' ? status : status.services, undefined, 2)))
      .catch((error: unknown) => write(`${path}: ${describeError(error)}`))
  }
  process.on('SIGUSR1', () => dump(dataFile, 'all'))
  process.on('SIGUSR2', () => dump(statsFile, 'services'))
  companion = await openCompanion({ file: resolve(start.file), start, director, log: write }, ending)
  isUp = true
  write('Startup complete')
  onReady()
  await new Promise<void>((end) => {
    if (ending.aborted) end()
    ending.addEventListener('abort', () => end(), { once: true })
  })
  write('Stopping')
  await companion.stop()
  return exitCodes.ok
}

/** Nothing that stands at that name is followed or shared. */
function writeWhole(path: string, text: string): void {
  const next = `${path}.${process.pid}`
  writeFileSync(next, `${text}\n`, { mode: 0o600, flag: 'wx' })
  renameSync(next, path)
}

function endSignal(): AbortSignal {
  const controller = new AbortController()
  for (const name of ['SIGTERM', 'SIGINT'] as const) process.on(name, () => controller.abort(name))
  return controller.signal
}
