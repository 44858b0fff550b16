/** `baton director`: the daemon itself, in the foreground; with --supervise, the process that keeps it alive. */
import { resolve } from 'node:path'
import { type Command, Option } from 'commander'
import { type Logger, pino } from 'pino'
import { runDaemon } from '../../api/daemon.ts'
import { wantedServices } from '../../cluster/plan/wanted.ts'
import { formatDiagnostic } from '../../cluster/spec/diagnostic.ts'
import type { ClusterServices } from '../../director/control.ts'
import type { Director } from '../../director/director.ts'
import { hopelessCode, restartsVariable, supervise } from '../../director/supervisor.ts'
import type { EngineName } from '../../engines/engine.ts'
import { describeError, InfraError, isInfraError } from '../../errors.ts'
import { localHost } from '../../hosts/local/local.ts'
import { exitCodes } from '../exit-codes.ts'
import { readSpec } from '../local/spec-file.ts'
import { errorLines, type Output, streamOutput } from '../output.ts'

export type DirectorCommandOptions = {
  readonly engine: EngineName | 'auto'
  readonly supervise?: true
  readonly config?: string
}

/** How long the services of a file may take to stand. */
const putMs = 30_000

export function register(program: Command): void {
  program
    .command('director')
    .description('the daemon that checks and balances; `baton up` starts it by itself')
    .addOption(
      new Option('--engine <name>', 'what moves the connections')
        .choices(['auto', 'userspace', 'fake'])
        .default('auto'),
    )
    .option('--supervise', 'start the daemon again whenever it crashes')
    .option('--config <file>', 'serve the services of a baton.yaml (those with plain addresses); SIGHUP reads it again')
    .action(async (options: DirectorCommandOptions) => {
      process.exitCode = await runDirectorCommand(options)
      // Nothing that a library left open may keep a daemon that has ended.
      process.exit()
    })
}

/** Resolves to the exit code. The log goes to standard output; by hand, people are told on standard error. */
export async function runDirectorCommand(options: DirectorCommandOptions): Promise<number> {
  const log = pino()
  return options.supervise === true ? await runSupervisor(log) : await runDirector(options, log)
}

async function runSupervisor(log: Logger): Promise<number> {
  const args = process.argv.slice(1).filter((argument) => argument !== '--supervise')
  return supervise({
    command: [process.execPath, ...process.execArgv, ...args],
    environment: process.env,
    signal: endSignal(),
    log: (entry, message) => log.warn(entry, message),
  })
}

async function runDirector({ engine, config }: DirectorCommandOptions, log: Logger): Promise<number> {
  const restarts = process.env[restartsVariable]
  const supervised = restarts === undefined ? undefined : { pid: process.ppid, restarts: Number(restarts) }
  const output = supervised === undefined ? streamOutput(process.stdout, process.stderr, process.env) : undefined
  process.on('uncaughtException', (error) => {
    log.fatal({ component: 'director', stack: error.stack }, `this is a bug in Baton: ${error.message}`)
    output?.note(errorLines(error))
    process.exit(exitCodes.failed)
  })
  const file = config === undefined ? undefined : servedFile(resolve(config), log, output)
  process.on('SIGHUP', () => (file === undefined ? log.info({ component: 'director' }, noFile) : file.reload()))
  try {
    await runDaemon({
      host: localHost(),
      engine,
      log,
      signal: endSignal(),
      supervised,
      onReady: async (director) => {
        await file?.serve(director, (supervised?.restarts ?? 0) > 0)
        output?.note([`baton: the director (process ${process.pid}) serves; Ctrl-C ends it`])
      },
    })
    return exitCodes.ok
  } catch (error) {
    const hint = isInfraError(error) ? error.hint : undefined
    log.fatal({ component: 'director', hint }, describeError(error))
    output?.note(errorLines(error))
    if (supervised === undefined) return exitCodes.failed
    return isInfraError(error) && !error.retryable ? hopelessCode : exitCodes.failed
  }
}

const noFile = 'there is no file to read again'

type ServedFile = {
  /** @throws InfraError when the file is wrong; when the director was only `restarted`, it goes on with what it had. */
  serve(director: Director, restarted: boolean): Promise<void>
  reload(): void
}

/** The services of a file, put as a cluster; a file that is wrong changes nothing. */
function servedFile(file: string, log: Logger, output: Output | undefined): ServedFile {
  let director: Director | undefined
  let standing: ClusterServices | undefined
  let last: Promise<void> = Promise.resolve()

  const put = async (serving: Director): Promise<void> => {
    const wanted = readServices(file, log, output)
    const options = { signal: AbortSignal.timeout(putMs) }
    const former = standing !== undefined && standing.cluster !== wanted.cluster ? standing : undefined
    if (former !== undefined) await serving.removeCluster(former.cluster, options)
    try {
      await serving.putCluster(wanted, options)
      standing = wanted
    } catch (error) {
      if (former !== undefined) await serving.putCluster(former, options)
      throw error
    }
  }
  const fail = (error: unknown): void => {
    log.error({ component: 'director', file, reason: describeError(error) }, 'the file was not taken; nothing changed')
    output?.note(errorLines(error))
  }
  return {
    async serve(serving, restarted) {
      director = serving
      const first = last.then(() => put(serving))
      last = first.catch(() => undefined)
      await first.catch((error: unknown) => {
        if (!restarted) throw error
        fail(error)
      })
    },
    reload() {
      const serving = director
      // Before it serves, the file is still to be read for the first time.
      if (serving === undefined) return
      last = last
        .then(() => put(serving))
        .then(() => log.info({ component: 'director', file }, 'the file was read again'), fail)
    },
  }
}

/** @throws InfraError `invalid` after every diagnostic has been said. */
function readServices(file: string, log: Logger, output: Output | undefined): ClusterServices {
  const { spec, diagnostics } = readSpec(file)
  for (const diagnostic of diagnostics) {
    const { severity, line, column, message, hint } = diagnostic
    const entry = { component: 'director', file: diagnostic.file, line, column, hint }
    if (severity === 'error') log.error(entry, message)
    else log.warn(entry, message)
  }
  output?.note(diagnostics.map(formatDiagnostic))
  if (spec === undefined)
    throw new InfraError('invalid', `${file} has errors`, { subject: file, hint: `baton check ${file} names them` })
  const named = Object.values(spec.services).filter(({ servers }) => servers.some(({ kind }) => kind === 'guests'))
  if (named.length > 0)
    throw new InfraError(
      'invalid',
      `${named.map(({ name }) => name).join(', ')}: servers that are guests have no fixed address`,
      { subject: file, hint: `baton up ${file} finds them, and starts a director by itself` },
    )
  return wantedServices(spec, new Map(), undefined)
}

/** SIGTERM and SIGINT ask for an orderly end. */
function endSignal(): AbortSignal {
  const controller = new AbortController()
  for (const name of ['SIGTERM', 'SIGINT'] as const) process.on(name, () => controller.abort())
  return controller.signal
}
