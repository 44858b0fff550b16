/** One call of ldirectord, from its words to its exit code. */
import { setTimeout as sleep } from 'node:timers/promises'
import type { Finding } from '../../../formats/ldirectord/model.ts'
import { type LogSink, openLogSink } from '../duties/log-sink.ts'
import { type CommandName, readArguments } from './arguments.ts'
import { type DaemonMode, daemonTarget } from './daemon.ts'
import { type Action, decide } from './decide.ts'
import { usageText, versionText } from './help.ts'
import { defaultLog, findInstance, type Instance } from './instance.ts'
import { runningOf } from './pid-file.ts'
import { findingText, hasErrors, type ReadFile, readFile } from './read.ts'

export type Call = {
  readonly words: readonly string[]
  /** As the log names the program. */
  readonly program: string
  readonly environment: Readonly<Record<string, string | undefined>>
  readonly out: (text: string) => void
  readonly err: (text: string) => void
  /** Sends a signal; whether there was such a process. */
  readonly kill: (pid: number, signal: 'SIGTERM' | 'SIGHUP') => boolean
  /** Another instance is asked for its status; what it says goes where ours goes. */
  readonly askOther: (file: string) => Promise<void>
  /** systemd keeps it, and waits for its word: it stays the process that was started. */
  readonly isManaged: boolean
  readonly startInBackground: (instance: Instance) => Promise<number>
  readonly runInForeground: (instance: Instance, read: ReadFile, mode: DaemonMode) => Promise<number>
}

/** As Perl programs end: 255 is -1. */
const codes = { ok: 0, failed: 1, configuration: 2, stopped: 3, usage: 255 } as const

/** How long a daemon may take to end before `restart` gives up. */
const restartMs = 60_000
const lookMs = 100

export async function runLdirectord(call: Call): Promise<number> {
  const { out, err } = call
  const asked = readArguments(call.words)
  switch (asked.kind) {
    case 'help':
      out(usageText)
      return codes.ok
    case 'version':
      out(versionText)
      return codes.ok
    case 'usage':
      err(asked.complaints.map((complaint) => `${complaint}\n`).join(''))
      out(usageText)
      return codes.usage
    case 'command': {
      const instance = findInstance(asked.file, call.environment)
      const mode: DaemonMode = asked.isDebug ? 'debug' : 'daemon'
      if (instance === undefined) return await notFound(asked.file ?? 'ldirectord.cf', mode, call)
      return await runCommand(asked.command, instance, mode, call)
    }
  }
}

async function notFound(file: string, mode: DaemonMode, call: Call): Promise<number> {
  const message = `Config file ${file} not found`
  await using log = openLog({ instance: 'ldirectord', mode, logfile: undefined }, call)
  log.write(message)
  if (mode !== 'debug') call.err(`${message}\n`)
  log.write(`Exiting with exit_status ${codes.failed}: Initialisation Error`)
  return codes.failed
}

async function runCommand(command: CommandName, instance: Instance, asked: DaemonMode, call: Call): Promise<number> {
  const read = await readFile(instance.path, asked === 'daemon')
  const { globals } = read.file
  const isBroken = hasErrors(read.findings)
  const isSupervised = asked === 'daemon' && !isBroken && globals.supervised?.value === true
  const mode = isSupervised ? 'supervised' : asked
  const logfile = isBroken ? undefined : globals.logfile?.value
  await using log = openLog({ instance: instance.name, mode, logfile }, call)
  sayFindings(read.findings, instance, call)
  if (isBroken) {
    log.write(`Exiting with exit_status ${codes.configuration}: config_error: Configuration Error`)
    return codes.configuration
  }
  log.write(`Invoking ldirectord invoked as: ${call.program} ${call.words.filter(isOperand).join(' ')} `)
  const action = decide(command, runningOf(instance.pidFile))
  const code = await perform(action, { command, instance, read, mode }, log, call)
  if (action.kind !== 'start' && action.kind !== 'restart' && code !== codes.ok)
    log.write(`Exiting with exit_status ${code}: Exiting from ldirectord ${command}`)
  return code
}

const isOperand = (word: string): boolean => !word.startsWith('-')

type Command = {
  readonly command: CommandName
  readonly instance: Instance
  readonly read: ReadFile
  readonly mode: DaemonMode
}

async function perform(action: Action, command: Command, log: LogSink, call: Call): Promise<number> {
  const { instance, read, mode } = command
  const { shown } = instance
  switch (action.kind) {
    case 'nothing':
      return codes.ok
    case 'start':
      return mode === 'daemon' && !call.isManaged
        ? await call.startInBackground(instance)
        : await call.runInForeground(instance, read, mode)
    case 'restart':
      if (!(await ended(action.pid, instance, call))) return codes.failed
      return await perform({ kind: 'start' }, command, log, call)
    case 'signal':
      call.kill(action.pid, action.signal)
      return codes.ok
    case 'tell-status': {
      const message = `ldirectord for ${shown} is running with pid: ${action.pid}`
      call.err(`${message}\n`)
      for (const { value } of read.file.globals.execute) await call.askOther(value)
      log.write(message)
      log.write(`Exiting from ldirectord ${command.command}`)
      return codes.ok
    }
    case 'tell-stopped': {
      const stale = `ldirectord stale pid file ${instance.pidFile} for ${shown}`
      if (action.isStale) {
        call.err(`${stale}\n`)
        log.write(stale)
      }
      call.out(`ldirectord is stopped for ${shown}\n`)
      return action.isStale ? codes.failed : codes.stopped
    }
    case 'cannot-reload':
      log.write(`ldirectord is stopped for ${shown}`)
      return codes.failed
  }
}

/** Asks a daemon to end, and waits until it has. */
async function ended(pid: number, instance: Instance, call: Call): Promise<boolean> {
  call.kill(pid, 'SIGTERM')
  for (let waitedMs = 0; waitedMs < restartMs; waitedMs += lookMs) {
    const running = runningOf(instance.pidFile)
    if (typeof running !== 'object' || running.pid !== pid) return true
    await sleep(lookMs)
  }
  call.err(`ldirectord for ${instance.shown} (process ${pid}) did not end within ${restartMs / 1000} s\n`)
  return false
}

function sayFindings(findings: readonly Finding[], { shown }: Instance, { err }: Call): void {
  for (const finding of findings) err(`${findingText(finding, shown, process.pid)}\n`)
}

function openLog(
  { instance, mode, logfile }: { instance: string; mode: DaemonMode; logfile: string | undefined },
  { environment, out, err }: Call,
): LogSink {
  const target = daemonTarget(mode, logfile ?? defaultLog(environment))
  return openLogSink({ target, instance, pid: process.pid, now: () => new Date(), out, err })
}
