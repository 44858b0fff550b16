/**
 * Delivers an event to a command: the record as a line of JSON on its standard input, its fields as BATON_EVENT_*. It
 * leads a process group of its own, which is killed at the deadline. Exit code 0: delivered.
 */
import { type ChildProcess, spawn } from 'node:child_process'
import { describeError } from '../../errors.ts'
import type { EventRecord, NotifySink } from '../control.ts'
import type { Deliver, Outcome } from './sink.ts'

type Command = Extract<NotifySink, { kind: 'command' }>

/** Of what it says on standard error the beginning is part of the reason; the rest is read and forgotten. */
const mostSaid = 200

/** What still stands in the pipe when it has ended comes at once. */
const lastWordsMs = 100

export const runForEvent: Deliver<Command> = ({ argv }, record, { key, signal }) =>
  new Promise((resolve) => {
    if (signal.aborted) return resolve(failure('it did not end in time'))
    const child = start(argv, record, key)
    if (typeof child === 'string') return resolve(failure(child))
    let said = ''
    child.stderr?.on('data', (chunk: Buffer) => {
      if (said.length < mostSaid) said += chunk.toString('utf8').slice(0, mostSaid - said.length)
    })
    // A command may end without reading what it is told: its exit code says all.
    child.stdin?.on('error', () => {}).end(`${JSON.stringify(record)}\n`)
    let last: NodeJS.Timeout | undefined
    const end = (outcome: Outcome): void => {
      clearTimeout(last)
      signal.removeEventListener('abort', onAbort)
      child.stdin?.destroy()
      child.stderr?.destroy()
      resolve(outcome)
    }
    const onAbort = (): void => {
      killGroup(child)
      end(failure('it did not end in time and was killed'))
    }
    signal.addEventListener('abort', onAbort, { once: true })
    child.once('error', (error) => end(failure(`it cannot be started: ${describeError(error)}`)))
    child.once('exit', (code, killedBy) => {
      const verdict = (): void => end(verdictOn(code, killedBy, said))
      child.once('close', verdict)
      last = setTimeout(verdict, lastWordsMs)
    })
  })

/** Or why it cannot be started. */
function start(argv: readonly string[], record: EventRecord, key: string): ChildProcess | string {
  const [program = '', ...args] = argv
  try {
    return spawn(program, args, {
      detached: true,
      stdio: ['pipe', 'ignore', 'pipe'],
      env: { ...process.env, ...environmentOf(record, key) },
    })
  } catch (error) {
    // What no command line can hold, such as a NUL, or too much of it.
    return `it cannot be started: ${describeError(error)}`
  }
}

/** BATON_EVENT_KIND, _ID, _AT, _KEY, and a variable for each field; what is no word is JSON. */
export function environmentOf({ id, at, event }: EventRecord, key: string): Record<string, string> {
  const environment: Record<string, string> = {
    BATON_EVENT_ID: String(id),
    BATON_EVENT_AT: at,
    BATON_EVENT_KEY: key,
  }
  for (const [name, value] of Object.entries(event) as [string, unknown][]) {
    if (value === undefined) continue
    const text = typeof value === 'string' ? value : JSON.stringify(value)
    environment[`BATON_EVENT_${name.replace(/[A-Z]/g, '_$&').toUpperCase()}`] = text.replaceAll('\0', '')
  }
  return environment
}

function verdictOn(code: number | null, killedBy: NodeJS.Signals | null, said: string): Outcome {
  if (code === 0) return { kind: 'delivered' }
  const words = said.trim() === '' ? '' : `: ${said.trim()}`
  return failure(code === null ? `it was ended by ${killedBy ?? 'a signal'}${words}` : `exit code ${code}${words}`)
}

function failure(reason: string): Outcome {
  return { kind: 'failed', reason, retryable: true }
}

function killGroup({ pid }: ChildProcess): void {
  if (pid === undefined) return
  try {
    process.kill(-pid, 'SIGKILL')
  } catch {
    // ESRCH: nobody is left in it. EPERM: it has become another user's, who is out of our reach.
  }
}
