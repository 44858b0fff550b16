import { describe, expect, test } from 'vitest'
import { readCall } from './arguments.ts'
import { expandBraces } from './glob.ts'

describe("keepalived's command line", () => {
  test.each([
    { words: ['-t'], is: { kind: 'test', file: '/etc/keepalived/keepalived.conf', allIncludes: false } },
    { words: ['-nlt', '-fk.conf'], is: { kind: 'test', file: 'k.conf', allIncludes: false } },
    {
      words: ['-tout', '-e', '-i', 'a', '--use-file=k'],
      is: { kind: 'test', file: 'k', logFile: 'out', configId: 'a', allIncludes: true },
    },
    { words: ['--config-test=out', '--use', 'k'], is: { kind: 'test', file: 'k', logFile: 'out', allIncludes: false } },
    { words: ['--signum=STATS'], is: { kind: 'signal', name: 'STATS' } },
    { words: ['-f'], is: { kind: 'wrong', message: 'Missing parameter for option -f' } },
    { words: ['--signum'], is: { kind: 'wrong', message: 'Missing parameter for option --signum' } },
    { words: ['--foo'], is: { kind: 'wrong', message: 'Unknown option --foo' } },
    { words: ['k.conf'], is: { kind: 'wrong', message: 'Unexpected argument(s): k.conf' } },
    { words: ['-v'], is: { kind: 'version' } },
    {
      words: ['-x'],
      is: { kind: 'wrong', message: '--snmp: there is no SNMP agent: the control socket serves /metrics' },
    },
    { words: ['-S9'], is: { kind: 'wrong', message: "Invalid log facility '9'" } },
    {
      words: [],
      is: {
        kind: 'start', file: '/etc/keepalived/keepalived.conf', allIncludes: false, parts: 'all', isForeground: false,
        log: { isConsole: false, facility: 1, isSilent: false }, dumps: false, pidFile: '/run/keepalived.pid', morePidFiles: [],
      }, // biome-ignore format: a call
    },
    {
      words: ['-PnlGd', '-g', '-pp', '-r', 'v', '-S3', '-u022', '-f', 'k'],
      is: {
        kind: 'start', file: 'k', allIncludes: false, parts: 'vrrp', isForeground: true, dumps: true, pidFile: 'p', umask: '022',
        log: { isConsole: true, file: '/tmp/keepalived.log', facility: 3, isSilent: true }, morePidFiles: ['v'],
      }, // biome-ignore format: a call
    },
  ])('$words', ({ words, is }) => {
    expect(readCall(words)).toEqual(is)
  })

  test('braces of an include stand for each of their parts', () => {
    expect(expandBraces('/a/{b,c}/{d,e}')).toEqual(['/a/b/d', '/a/b/e', '/a/c/d', '/a/c/e'])
    expect(expandBraces('/a{')).toEqual(['/a{'])
  })
})
