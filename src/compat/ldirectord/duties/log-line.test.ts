import { expect, test } from 'vitest'
import { type LogTarget, logTarget, logText } from './log-line.ts'

const who = { at: new Date(2026, 10, 3, 5, 1, 9), instance: 'web.cf', pid: 42 }

test.each<{ target: LogTarget; text: string }>([
  { target: { kind: 'file', path: '/l' }, text: '[Tue Nov  3 05:01:09 2026|web.cf|42] Added it\n' },
  { target: { kind: 'supervised' }, text: '[Tue Nov  3 05:01:09 2026] Added it\n' },
  { target: { kind: 'debug' }, text: 'DEBUG2: Added it\nAdded it\n' },
  { target: { kind: 'syslog', facility: 'local0' }, text: 'Added it\n' },
])('a line for $target.kind', ({ target, text }) => {
  expect(logText(target, 'Added it', who)).toBe(text)
  expect(logText(target, 'Added it\n', who)).toBe(text)
})

test('a logfile is a file when it begins with a slash, else a facility', () => {
  expect(logTarget('/var/log/l')).toEqual({ kind: 'file', path: '/var/log/l' })
  expect(logTarget('local0')).toEqual({ kind: 'syslog', facility: 'local0' })
})
