/** `baton director`: the daemon itself, in the foreground; with --supervise, the process that keeps it alive; and `stop`. */
import { existsSync } from 'node:fs'
import { rm, writeFile } from 'node:fs/promises'
import { resolve } from 'node:path'
import { type Command, Option } from 'commander'
import { type Logger, pino } from 'pino'
import { runDaemon } from '../../api/daemon.ts'
import { directorFiles } from '../../api/files.ts'
import type { ChosenEngine } from '../../cluster/spec/engine-check.ts'
import type { Director } from '../../director/director.ts'
import { hopelessCode, restartsVariable, supervise } from '../../director/supervisor.ts'
import { type EbpfTuning, limitNames, parseLimit, type Xdp, xdpWays } from '../../engines/ebpf/tuning.ts'
import type { EngineName } from '../../engines/engine.ts'
import { describeError, isInfraError } from '../../errors.ts'
import { localHost } from '../../hosts/local/local.ts'
import { exitCodes } from '../exit-codes.ts'
import type { BootRules } from '../local/boot-rules.ts'
import { registerHandOver } from '../local/director-handover.ts'
import { registerStop } from '../local/director-stop.ts'
import type { ServedFile } from '../local/served-file.ts'
import { errorLines, streamOutput } from '../output.ts'

export type DirectorCommandOptions = {
  readonly engine: EngineName | 'auto'
  readonly because?: string
  readonly interface?: readonly string[]
  readonly xdp?: Xdp
  readonly limit?: readonly string[]
  readonly supervise?: true
  readonly config?: string
  readonly ipvsadmRules?: string
  readonly ipvsadmDefault?: string
  readonly saveOnStop?: true
  readonly checkTrace?: string
}

export function register(program: Command): void {
  const director = program.command('director')
  registerStop(director)
  registerHandOver(director)
  director
    .description('the daemon that checks and balances; `baton up` starts it by itself')
    .addOption(
      new Option('--engine <name>', 'what moves the connections')
        .choices(['auto', 'userspace', 'ebpf', 'ipvs', 'fake'])
        .default('auto'),
    )
    .addOption(new Option('--because <reason>', 'why this engine, as baton status shows it').hideHelp())
    .option(
      '--interface <name...>',
      'with the ebpf engine: where it takes packets; all that routes lead through when left out',
    )
    .addOption(
      new Option(
        '--xdp <how>',
        'with the ebpf engine: let drivers send on what goes by direct routing or tunnel; auto: hardware’s that can',
      ).choices(xdpWays),
    )
    .option('--limit <name=number...>', `with the ebpf engine: how much its tables take; ${limitNames.join(', ')}`)
    .option('--supervise', 'start the daemon again whenever it crashes')
    .option(
      '--config <file>',
      'serve the services of a baton.yaml (those with plain addresses) an ldirectord.cf or a keepalived.conf; SIGHUP reads it again',
    )
    .option(
      '--ipvsadm-rules <file>',
      'begin with the rules of ipvsadm-save: /etc/ipvsadm.rules, /etc/sysconfig/ipvsadm',
    )
    .option(
      '--ipvsadm-default <file>',
      "heed Debian's /etc/default/ipvsadm (AUTO, DAEMON); looked for beside the rules",
    )
    .option(
      '--save-on-stop',
      'at an orderly end, write what was made by hand back to the rules (the old ones: FILE.bak)',
    )
    .option(
      '--check-trace <file>',
      'keep each result of each check, for `baton replay`; at 64 MiB, and at each start, what is there becomes FILE.1',
    )
    .action(async (options: DirectorCommandOptions) => {
      const wrong = wrongTuning(options)
      if (wrong.length > 0) program.error(wrong.map((text) => `error: ${text}`).join('\n'))
      if (options.ipvsadmRules === undefined && (options.ipvsadmDefault !== undefined || options.saveOnStop === true))
        program.error('error: --ipvsadm-default and --save-on-stop go with --ipvsadm-rules FILE')
      process.exitCode = await runDirectorCommand(options)
      // Nothing that a library left open may keep a daemon that has ended.
      process.exit()
    })
}

function wrongTuning({ engine, interface: interfaces, xdp, limit = [] }: DirectorCommandOptions): string[] {
  const given = [interfaces && '--interface', xdp && '--xdp', limit.length > 0 && '--limit'].filter(Boolean)
  const isEbpf = engine === 'ebpf' || engine === 'auto'
  return [
    ...given.flatMap((option) => (isEbpf ? [] : [`${option} goes with --engine ebpf`])),
    ...limit.map(parseLimit).flatMap((read) => ('wrong' in read ? [read.wrong] : [])),
  ]
}

function tuningOf({ interface: interfaces, xdp, limit }: DirectorCommandOptions): { readonly ebpf?: EbpfTuning } {
  const limits = limit?.map(parseLimit).flatMap((read) => ('wrong' in read ? [] : [[read.name, read.most] as const]))
  if (interfaces === undefined && xdp === undefined && limits === undefined) return {}
  return {
    ebpf: {
      ...(interfaces === undefined ? {} : { interfaces }),
      ...(xdp === undefined ? {} : { xdp }),
      ...(limits === undefined ? {} : { limits: Object.fromEntries(limits) }),
    },
  }
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

async function runDirector(options: DirectorCommandOptions, log: Logger): Promise<number> {
  const { engine, because, config, ipvsadmRules, ipvsadmDefault, saveOnStop, checkTrace } = options
  const restarts = process.env[restartsVariable]
  const supervised = restarts === undefined ? undefined : { pid: process.ppid, restarts: Number(restarts) }
  const output = supervised === undefined ? streamOutput(process.stdout, process.stderr, process.env) : undefined
  process.on('uncaughtException', (error) => {
    log.fatal({ component: 'director', stack: error.stack }, `this is a bug in Baton: ${error.message}`)
    output?.note(errorLines(error))
    process.exit(exitCodes.failed)
  })
  // Loaded when it serves what it served before: the fewer modules come first, the sooner a director that crashed is back.
  let file: ServedFile | undefined
  const rules =
    ipvsadmRules === undefined
      ? undefined
      : (await import('../local/boot-rules.ts')).bootRules({
          rules: resolve(ipvsadmRules),
          defaults: ipvsadmDefault === undefined ? undefined : resolve(ipvsadmDefault),
          log,
          output,
        })
  process.on('SIGHUP', () => (config === undefined ? log.info({ component: 'director' }, noFile) : file?.reload()))
  const host = localHost()
  const { byHand } = directorFiles(host)
  const loading = `${byHand}.loading`
  const wasEdited = existsSync(byHand) && !existsSync(loading)
  const signal = endSignal()
  try {
    await runDaemon({
      host,
      engine,
      ...(because === undefined ? {} : { because }),
      ...(config === undefined ? {} : { choose: (standing) => chosenFor(resolve(config), standing) }),
      ...tuningOf(options),
      log,
      signal,
      supervised,
      findGuests: async (call) => (await import('../local/find-guests.ts')).findGuests(call),
      restartGuest: async (...about) => (await import('../local/restart-guest.ts')).restartGuest(...about),
      ...(checkTrace === undefined ? {} : { checkTrace: resolve(checkTrace) }),
      onReady: async (director, serving) => {
        if (config !== undefined) {
          const { servedFile } = await import('../local/served-file.ts')
          file = servedFile(resolve(config), serving.engine, log, output)
          await file.serve(director, serving.goesOn)
        }
        // After a crash, or where traffic was kept, what they have made is there already, with what was changed since.
        if (rules !== undefined && !(serving.goesOn && wasEdited)) await loadOnce(rules, director, loading)
        output?.note([`baton: the director (process ${process.pid}) serves; Ctrl-C ends it`])
      },
      onEnd: async (director) => {
        await file?.end()
        if (saveOnStop === true) await rules?.save(director)
      },
    })
    return exitCodes.ok
  } catch (error) {
    // Asked to end before it was up: that is no failure.
    if (signal.aborted && isInfraError(error, 'cancelled')) return exitCodes.ok
    const hint = isInfraError(error) ? error.hint : undefined
    log.fatal({ component: 'director', hint }, describeError(error))
    output?.note(errorLines(error))
    if (supervised === undefined) return exitCodes.failed
    return isInfraError(error) && !error.retryable ? hopelessCode : exitCodes.failed
  }
}

/** A file that is wrong is told later, by whoever serves it. */
async function chosenFor(file: string, standing: EngineName | undefined): Promise<ChosenEngine | undefined> {
  const { servedServices } = await import('../local/served-services.ts')
  return (await servedServices(file, 'auto', standing)).engine
}

/** A crash in the middle leaves the file `loading`: what was loaded by then is taken away, and all is loaded anew. */
async function loadOnce(rules: BootRules, director: Director, loading: string): Promise<void> {
  await writeFile(loading, '')
  try {
    await director.edit([{ kind: 'flush' }], { signal: AbortSignal.timeout(flushMs) })
    await rules.load(director)
  } finally {
    await rm(loading, { force: true })
  }
}

const flushMs = 60_000

const noFile = 'there is no file to read again'

/** SIGTERM and SIGINT ask for an orderly end; which of them it was is the signal's reason. */
function endSignal(): AbortSignal {
  const controller = new AbortController()
  for (const name of ['SIGTERM', 'SIGINT'] as const) process.on(name, () => controller.abort(name))
  return controller.signal
}
