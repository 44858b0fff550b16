/** Running commands on this machine: to their end, or as a daemon that outlives us. */
import { spawn } from 'node:child_process'
import { open } from 'node:fs/promises'
import { constants } from 'node:os'
import { InfraError } from '../../errors.ts'
import type { Host, RunOptions, RunResult } from '../host.ts'
import { collector, maxOutputBytes } from '../output.ts'
import { abortError, asInfraError, systemCode } from './failures.ts'

/** How long a process group may take to end after SIGTERM. */
const graceMs = 2_000

export async function runCommand(command: readonly string[], options: RunOptions): Promise<RunResult> {
  const [program = '', ...args] = command
  const what = `run ${program}`
  const { signal } = options
  if (signal.aborted) throw abortError(signal, what, program)
  const child = spawn(program, args, {
    detached: true, // its own process group, so that an abort ends its children too
    stdio: ['pipe', 'pipe', 'pipe'],
    env: { ...process.env, ...options.environment },
    ...(options.directory === undefined ? {} : { cwd: options.directory }),
  })
  const endGroup = (how: NodeJS.Signals): void => {
    if (child.pid !== undefined) killQuietly(-child.pid, how)
  }
  let killTimer: NodeJS.Timeout | undefined
  const onAbort = (): void => {
    endGroup('SIGTERM')
    killTimer = setTimeout(() => endGroup('SIGKILL'), graceMs)
  }
  signal.addEventListener('abort', onAbort, { once: true })
  const collect = collector(() => endGroup('SIGKILL'))
  child.stdout.on('data', (chunk: Buffer) => collect.stdout(chunk))
  child.stderr.on('data', (chunk: Buffer) => {
    collect.stderr(chunk)
    options.onStderr?.(chunk.toString())
  })
  child.stdin.on('error', () => {}) // a command may end without reading its input: its exit code says all
  child.stdin.end(options.input)
  try {
    const { code, signalName } = await new Promise<{ code: number | null; signalName: NodeJS.Signals | null }>(
      (resolve, reject) => {
        child.once('error', reject)
        child.once('close', (code, signalName) => resolve({ code, signalName }))
      },
    )
    if (signal.aborted) throw abortError(signal, what, program)
    if (collect.overflowed())
      throw new InfraError('failed', `${what}: printed more than ${maxOutputBytes} bytes`, { subject: program })
    const { stdout, stderr } = collect.bytes()
    const ended = code ?? 128 + (signalName === null ? 0 : constants.signals[signalName])
    return { code: ended, stdout: stdout.toString(), stderr: stderr.toString() }
  } catch (error) {
    throw startError(error, program, what, signal)
  } finally {
    signal.removeEventListener('abort', onAbort)
    clearTimeout(killTimer)
  }
}

export async function spawnDaemon(command: readonly string[], options: Parameters<Host['spawn']>[1]): Promise<number> {
  const [program = '', ...args] = command
  const what = `start ${program}`
  const log = options.logFile === undefined ? undefined : await open(options.logFile, 'a', 0o600)
  try {
    const output = log === undefined ? 'ignore' : log.fd
    const child = spawn(program, args, {
      detached: true,
      stdio: ['ignore', output, output],
      env: { ...process.env, ...options.environment },
      cwd: '/',
    })
    await new Promise<void>((resolve, reject) => {
      child.once('error', reject)
      child.once('spawn', resolve)
    })
    child.unref()
    if (child.pid === undefined) throw new InfraError('failed', what, { subject: program })
    return child.pid
  } catch (error) {
    throw startError(error, program, what, options.signal)
  } finally {
    await log?.close()
  }
}

/** false when there is no such process. */
export function signalProcess(pid: number, signal: NodeJS.Signals | 0): boolean {
  try {
    return process.kill(pid, signal)
  } catch (error) {
    if (systemCode(error) === 'ESRCH') return false
    if (systemCode(error) === 'EPERM' && signal === 0) return true
    throw asInfraError(error, `signal process ${pid}`, String(pid))
  }
}

function killQuietly(pid: number, signal: NodeJS.Signals): void {
  try {
    process.kill(pid, signal)
  } catch (error) {
    if (systemCode(error) !== 'ESRCH') throw error
  }
}

function startError(error: unknown, program: string, what: string, signal: AbortSignal): InfraError {
  return systemCode(error) === 'ENOENT'
    ? new InfraError('missing-tool', `${program} is not installed`, { subject: program, cause: error })
    : asInfraError(error, what, program, signal)
}
