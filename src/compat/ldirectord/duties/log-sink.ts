/** Where log lines go: a file that is opened anew for each, so that it may be moved away; the system's log; or a stream. */
import { type ChildProcessByStdio, spawn } from 'node:child_process'
import { appendFileSync } from 'node:fs'
import type { Writable } from 'node:stream'
import { type LogTarget, logText } from './log-line.ts'

export type LogSink = AsyncDisposable & { write(message: string): void }

export type LogSinkOptions = {
  readonly target: LogTarget
  readonly instance: string
  readonly pid: number
  readonly now: () => Date
  readonly out: (text: string) => void
  readonly err: (text: string) => void
  /** What the system's log is told that says it; ldirectord when left out. */
  readonly tag?: string
  /** The socket of the system's log; left out, its own. */
  readonly socket?: string
}

/** So much may wait for the system's log; what comes beyond is said on standard error. */
const mostWaitingBytes = 1024 * 1024
const endMs = 2_000

export function openLogSink(options: LogSinkOptions): LogSink {
  const { target, instance, pid, now, out, err } = options
  const text = (message: string): string => logText(target, message, { at: now(), instance, pid })
  switch (target.kind) {
    case 'debug':
      return streamSink((message) => err(text(message)))
    case 'supervised':
      return streamSink((message) => out(text(message)))
    case 'file':
      return streamSink((message) => {
        try {
          appendFileSync(target.path, text(message))
        } catch {
          err(`${message}\n`)
        }
      })
    case 'syslog':
      return syslogSink(target.facility, options)
  }
}

/** Another file may name another log. */
export type MovableLog = LogSink & { moveTo(target: LogTarget): void }

export function openMovableLog(options: LogSinkOptions): MovableLog {
  let { target } = options
  let sink = openLogSink(options)
  let last: Promise<void> = Promise.resolve()
  return {
    write: (message) => sink.write(message),
    moveTo(next) {
      if (JSON.stringify(next) === JSON.stringify(target)) return
      const former = sink
      last = last.then(() => former[Symbol.asyncDispose]())
      target = next
      sink = openLogSink({ ...options, target })
    },
    async [Symbol.asyncDispose]() {
      await last
      await sink[Symbol.asyncDispose]()
    },
  }
}

function streamSink(write: (message: string) => void): LogSink {
  return { write, [Symbol.asyncDispose]: () => Promise.resolve() }
}

/** Through logger(1), which lives as long as we: a datagram to a unix socket is nothing that Node can send. */
function syslogSink(facility: string, { pid, err, socket, tag = 'ldirectord' }: LogSinkOptions): LogSink {
  const place = socket === undefined ? [] : ['--socket', socket]
  const words = ['--tag', tag, `--id=${pid}`, '--priority', `${facility}.info`, ...place]
  let child: ChildProcessByStdio<Writable, null, null> | undefined
  const start = (): ChildProcessByStdio<Writable, null, null> => {
    const started = spawn('logger', words, { stdio: ['pipe', 'ignore', 'ignore'] })
    const forget = (): void => {
      if (child === started) child = undefined
    }
    started.once('exit', forget).once('error', forget)
    started.stdin.on('error', forget)
    return started
  }
  return {
    write(message) {
      child ??= start()
      if (child.stdin.writableLength > mostWaitingBytes) err(`${message}\n`)
      else child.stdin.write(`${message.replace(/\n$/, '').replaceAll('\n', ' ')}\n`)
    },
    async [Symbol.asyncDispose]() {
      const last = child
      if (last === undefined) return
      last.stdin.end()
      await new Promise<void>((resolve) => {
        const hurry = setTimeout(() => last.kill(), endMs)
        last.once('close', () => {
          clearTimeout(hurry)
          resolve()
        })
      })
    },
  }
}
