import { expect, test } from 'vitest'
import type { CommandName } from './arguments.ts'
import { type Action, decide } from './decide.ts'

const term = { kind: 'signal', pid: 7, signal: 'SIGTERM' } as const
const hup = { kind: 'signal', pid: 7, signal: 'SIGHUP' } as const
const stopped = (isStale: boolean): Action => ({ kind: 'tell-stopped', isStale })

test.each<{ command: CommandName; running: Action; stale: Action; stopped: Action }>([
  { command: 'start', running: { kind: 'nothing' }, stale: { kind: 'start' }, stopped: { kind: 'start' } },
  { command: 'stop', running: term, stale: { kind: 'nothing' }, stopped: { kind: 'nothing' } },
  { command: 'restart', running: { kind: 'restart', pid: 7 }, stale: { kind: 'start' }, stopped: { kind: 'start' } },
  {
    command: 'try-restart',
    running: { kind: 'restart', pid: 7 },
    stale: { kind: 'nothing' },
    stopped: { kind: 'nothing' },
  },
  { command: 'reload', running: hup, stale: { kind: 'cannot-reload' }, stopped: { kind: 'cannot-reload' } },
  { command: 'force-reload', running: hup, stale: { kind: 'cannot-reload' }, stopped: { kind: 'cannot-reload' } },
  { command: 'status', running: { kind: 'tell-status', pid: 7 }, stale: stopped(true), stopped: stopped(false) },
])('$command with a daemon, a stale pid file, and neither', ({ command, running, stale, stopped }) => {
  expect([decide(command, { pid: 7 }), decide(command, 'stale'), decide(command, 'no')]).toEqual([
    running,
    stale,
    stopped,
  ])
})
