/** Where the daemon's lines go: the console, a file, and the system's log, as keepalived's options have it. */

import { appendFileSync } from 'node:fs'
import { ctime } from '../../ldirectord/duties/log-line.ts'
import { type LogSink, openLogSink } from '../../ldirectord/duties/log-sink.ts'
import type { StartOptions } from '../arguments.ts'

export type Log = AsyncDisposable & { write(message: string): void }

export function openLog({ log }: Pick<StartOptions, 'log'>, err: (text: string) => void): Log {
  const { isConsole, file, facility, isSilent } = log
  const isSystems = !isSilent && !isConsole
  const system: LogSink | undefined = isSystems
    ? openLogSink({
        target: { kind: 'syslog', facility: `local${facility}` },
        instance: 'keepalived',
        tag: 'Keepalived',
        pid: process.pid,
        now: () => new Date(),
        out: err,
        err,
      })
    : undefined
  return {
    write(message) {
      const line = `${ctime(new Date())}: ${message}\n`
      if (isConsole) err(line)
      if (file !== undefined) {
        try {
          appendFileSync(file, line)
        } catch {
          err(line)
        }
      }
      system?.write(message)
    },
    async [Symbol.asyncDispose]() {
      await system?.[Symbol.asyncDispose]()
    },
  }
}
