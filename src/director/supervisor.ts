/** Keeps the daemon alive: starts it again whenever it ends without having been asked to. */
import { type ChildProcess, spawn } from 'node:child_process'
import { setTimeout as sleep } from 'node:timers/promises'

/** The daemon's way of saying that starting it again would not help (sysexits.h EX_CONFIG). */
export const hopelessCode = 78

/** In which environment variable the daemon learns how often it was started again; absent without a supervisor. */
export const restartsVariable = 'BATON_DIRECTOR_RESTARTS'

/** A daemon that ran this long starts the count of its failures anew. */
const steadyMs = 10_000

/** A daemon that was asked to end and has not by then is ended. */
const graceMs = 10_000

/** How long to wait before the n-th restart in a row, from 1: the first at once, so that a crash costs no second. */
export function restartDelayMs(attempt: number): number {
  return attempt <= 1 ? 0 : Math.min(50 * 2 ** (attempt - 2), 5_000)
}

export type SupervisorOptions = {
  /** Program and arguments of the daemon. */
  readonly command: readonly [string, ...string[]]
  readonly environment: Readonly<Record<string, string | undefined>>
  readonly signal: AbortSignal
  /** One line of the supervisor's own log. */
  readonly log: (entry: Readonly<Record<string, unknown>>, message: string) => void
}

/**
 * Resolves to the exit code for the supervisor itself: 0 after an orderly end of the daemon, its code when starting
 * again is hopeless. An abort asks the daemon to end and waits for it; SIGHUP is handed on.
 */
export async function supervise({ command, environment, signal, log }: SupervisorOptions): Promise<number> {
  let restarts = 0
  for (let attempt = 1; ; attempt += 1) {
    const begun = performance.now()
    const [program, ...args] = command
    const env = { ...environment, [restartsVariable]: String(restarts) }
    const end = await ended(spawn(program, args, { stdio: 'inherit', env }), signal)
    if (signal.aborted || end.code === 0) return 0
    if (end.code === hopelessCode) return hopelessCode
    if (performance.now() - begun > steadyMs) attempt = 1
    restarts += 1
    const waitMs = restartDelayMs(attempt)
    log({ component: 'supervisor', ...end, restarts, waitMs }, 'the director ended unasked; starting it again')
    await sleep(waitMs, undefined, { signal }).catch(() => undefined)
    if (signal.aborted) return 0
  }
}

type EndOfChild = { readonly code: number | null; readonly reason: string | null }

function ended(child: ChildProcess, signal: AbortSignal): Promise<EndOfChild> {
  return new Promise((resolve) => {
    let killTimer: NodeJS.Timeout | undefined
    const askToEnd = (): void => {
      // The signal decides whether traffic goes on.
      child.kill(signal.reason === 'SIGINT' ? 'SIGINT' : 'SIGTERM')
      killTimer = setTimeout(() => child.kill('SIGKILL'), graceMs)
    }
    const reload = (): void => void child.kill('SIGHUP')
    const finish = (code: number | null, reason: string | null): void => {
      clearTimeout(killTimer)
      signal.removeEventListener('abort', askToEnd)
      process.off('SIGHUP', reload)
      resolve({ code, reason })
    }
    signal.addEventListener('abort', askToEnd, { once: true })
    process.on('SIGHUP', reload)
    // It could not be started at all.
    child.once('error', (error) => finish(null, error.message))
    child.once('exit', finish)
    if (signal.aborted) askToEnd()
  })
}
