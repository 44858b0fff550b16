import { describe, expect, test } from 'vitest'
import { type Asked, readArguments } from './arguments.ts'

const command = (more: Partial<Extract<Asked, { kind: 'command' }>>): Asked => ({
  kind: 'command',
  command: 'start',
  file: undefined,
  isDebug: false,
  ...more,
})
const usage = (...complaints: readonly string[]): Asked => ({ kind: 'usage', complaints })

/** Each asked of ldirectord 4.12. */
describe('the command line of ldirectord', () => {
  test.each<{ words: readonly string[]; is: Asked }>([
    { words: [], is: usage() },
    { words: ['start'], is: command({}) },
    { words: ['web.cf', 'start'], is: command({ file: 'web.cf' }) },
    { words: ['web.cf', 'stop', 'more'], is: command({ file: 'web.cf', command: 'stop' }) },
    {
      words: ['-d', 'web.cf', 'force-reload'],
      is: command({ file: 'web.cf', command: 'force-reload', isDebug: true }),
    },
    { words: ['--DEBUG', 'status'], is: command({ command: 'status', isDebug: true }) },
    { words: ['-d-', 'start'], is: command({ isDebug: true }) },
    { words: ['-d', '--', '-x', 'try-restart'], is: command({ file: '-x', command: 'try-restart', isDebug: true }) },
    { words: ['start', '-d'], is: usage() },
    { words: ['-d', '--'], is: usage() },
    { words: ['-'], is: usage() },
    { words: ['foo'], is: usage() },
    { words: ['web.cf', 'bad'], is: usage() },
    { words: ['-t'], is: usage('Unknown option: t') },
    { words: ['-dtx', 'start'], is: usage('Unknown option: t', 'Unknown option: x') },
    { words: ['-D'], is: usage('Unknown option: D') },
    { words: ['--foo'], is: usage('Unknown option: foo') },
    { words: ['--deb', 'start'], is: usage('Unknown option: deb') },
    { words: ['--no-debug'], is: usage('Unknown option: no-debug') },
    { words: ['--debug=1'], is: usage('Option debug does not take an argument') },
    { words: ['-?'], is: { kind: 'help' } },
    { words: ['-hv'], is: { kind: 'help' } },
    { words: ['-vd', 'x'], is: { kind: 'version' } },
  ])('$words', ({ words, is }) => {
    expect(readArguments(words)).toEqual(is)
  })
})
