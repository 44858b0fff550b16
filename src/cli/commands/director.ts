/** `baton director`: the daemon itself, in the foreground; with --supervise, the process that keeps it alive. */
import { readFileSync } from 'node:fs'
import { type Command, Option } from 'commander'
import { pino } from 'pino'
import { runDaemon } from '../../api/daemon.ts'
import { wantedServices } from '../../cluster/plan/wanted.ts'
import { formatDiagnostic } from '../../cluster/spec/diagnostic.ts'
import { parseSpec } from '../../cluster/spec/parse.ts'
import type { ClusterServices } from '../../director/control.ts'
import type { Director } from '../../director/director.ts'
import { hopelessCode, supervise } from '../../director/supervisor.ts'
import type { EngineName } from '../../engines/engine.ts'
import { describeError, InfraError, isInfraError } from '../../errors.ts'
import { localHost } from '../../hosts/local/local.ts'

type Options = { readonly engine: EngineName | 'auto'; readonly supervise?: true; readonly config?: string }

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
    .action(async (options: Options) => {
      process.exitCode = options.supervise === true ? await runSupervisor() : await runDirector(options)
      // Nothing that a library left open may keep a daemon that has ended.
      process.exit()
    })
}

async function runSupervisor(): Promise<number> {
  const log = pino()
  const args = process.argv.slice(1).filter((argument) => argument !== '--supervise')
  return supervise({
    command: [process.execPath, ...process.execArgv, ...args],
    environment: process.env,
    signal: endSignal(),
    log: (entry, message) => log.warn(entry, message),
  })
}

async function runDirector({ engine, config }: Options): Promise<number> {
  const log = pino()
  try {
    await runDaemon({
      host: localHost(),
      engine,
      log,
      signal: endSignal(),
      restarts: Number(process.env['BATON_DIRECTOR_RESTARTS'] ?? 0),
      ...(config === undefined ? {} : { onReady: (director: Director) => serveFile(director, config, log) }),
    })
    return 0
  } catch (error) {
    const hint = isInfraError(error) && error.hint !== undefined ? ` (${error.hint})` : ''
    log.fatal({ component: 'director' }, `${describeError(error)}${hint}`)
    return isInfraError(error) && !error.retryable ? hopelessCode : 1
  }
}

/** A file that is wrong at the start ends the daemon; one that is wrong at a reload changes nothing. */
async function serveFile(director: Director, file: string, log: pino.Logger): Promise<void> {
  const put = async (): Promise<void> =>
    director.putCluster(readServices(file), { signal: AbortSignal.timeout(30_000) })
  await put()
  process.on('SIGHUP', () => {
    put().then(
      () => log.info({ component: 'director', file }, 'configuration read again'),
      (error: unknown) =>
        log.error(
          { component: 'director', file, reason: describeError(error) },
          'the configuration is wrong; nothing was changed',
        ),
    )
  })
}

function readServices(file: string): ClusterServices {
  const read = (path: string): string | undefined => {
    try {
      return readFileSync(path, 'utf8')
    } catch {
      return undefined
    }
  }
  const text = read(file)
  if (text === undefined) throw new InfraError('not-found', `cannot read ${file}`, { subject: file })
  const { spec, diagnostics } = parseSpec({ file, text, environment: process.env, readInclude: read })
  if (spec === undefined)
    throw new InfraError('invalid', diagnostics.map(formatDiagnostic).join('; '), { subject: file })
  const named = Object.values(spec.services).filter(({ servers }) => servers.some(({ kind }) => kind === 'guests'))
  if (named.length > 0)
    throw new InfraError(
      'invalid',
      `${named.map(({ name }) => name).join(', ')}: servers that are guests have no fixed address`,
      {
        subject: file,
        hint: `baton up ${file} finds them, and starts a director by itself`,
      },
    )
  return wantedServices(spec, new Map(), undefined)
}

/** SIGTERM and SIGINT ask for an orderly end. */
function endSignal(): AbortSignal {
  const controller = new AbortController()
  for (const name of ['SIGTERM', 'SIGINT'] as const) process.on(name, () => controller.abort())
  return controller.signal
}
