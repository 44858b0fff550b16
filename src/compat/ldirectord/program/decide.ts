/** What a command does, by whether a daemon of this instance runs. Pure. */
import type { CommandName } from './arguments.ts'

/** `stale`: its pid file names no ldirectord. */
export type Running = { readonly pid: number } | 'stale' | 'no'

export type Action =
  | { readonly kind: 'nothing' }
  | { readonly kind: 'start' }
  | { readonly kind: 'restart' | 'tell-status'; readonly pid: number }
  | { readonly kind: 'signal'; readonly pid: number; readonly signal: 'SIGTERM' | 'SIGHUP' }
  | { readonly kind: 'tell-stopped'; readonly isStale: boolean }
  | { readonly kind: 'cannot-reload' }

export function decide(command: CommandName, running: Running): Action {
  const pid = typeof running === 'object' ? running.pid : undefined
  switch (command) {
    case 'start':
      return pid === undefined ? { kind: 'start' } : { kind: 'nothing' }
    case 'stop':
      return pid === undefined ? { kind: 'nothing' } : { kind: 'signal', pid, signal: 'SIGTERM' }
    case 'restart':
      return pid === undefined ? { kind: 'start' } : { kind: 'restart', pid }
    case 'try-restart':
      return pid === undefined ? { kind: 'nothing' } : { kind: 'restart', pid }
    case 'reload':
    case 'force-reload':
      return pid === undefined ? { kind: 'cannot-reload' } : { kind: 'signal', pid, signal: 'SIGHUP' }
    case 'status':
      return pid === undefined ? { kind: 'tell-stopped', isStale: running === 'stale' } : { kind: 'tell-status', pid }
  }
}
