/** Runs an operator's shell line, in a process group of its own, which is killed when its time is over. */
import { spawn } from 'node:child_process'
import { failureText } from '../health/checks/verdict.ts'

export type ShellLine = {
  readonly line: string
  /** Appended to the line, each as one word. */
  readonly args: readonly string[]
  readonly environment: Readonly<Record<string, string>>
}

export type RunLine = (line: ShellLine, signal: AbortSignal) => Promise<string | undefined>

/**
 * Resolves to how it went wrong, undefined when it did not. What it says on standard error stands where the director's own
 * messages do. What it has left running when it ends goes on: it may have been started for that.
 */
export const runLine: RunLine = ({ line, args, environment }, signal) =>
  new Promise((resolve) => {
    if (signal.aborted) return resolve('there was no time for it')
    const child = spawn('/bin/sh', ['-c', `${line} "$@"`, 'baton', ...args], {
      detached: true,
      stdio: ['ignore', 'ignore', 'inherit'],
      env: { ...process.env, ...environment },
    })
    let isLate = false
    const onAbort = (): void => {
      isLate = true
      killGroup(child.pid)
    }
    const end = (failure: string | undefined): void => {
      signal.removeEventListener('abort', onAbort)
      resolve(failure)
    }
    signal.addEventListener('abort', onAbort, { once: true })
    child.once('error', (error) => end(`it cannot be started: ${failureText(error)}`))
    child.once('exit', (code, killedBy) => {
      if (isLate) end('it did not end in time and was killed')
      else if (code === 0) end(undefined)
      else end(code === null ? `it was ended by ${killedBy}` : `exit code ${code}`)
    })
  })

function killGroup(pid: number | undefined): void {
  if (pid === undefined) return
  try {
    process.kill(-pid, 'SIGKILL')
  } catch {
    // ESRCH: nobody is left in it. EPERM: it has become another user's, who is out of our reach.
  }
}
