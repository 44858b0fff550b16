import { execFileSync } from 'node:child_process'
import { describe, expect, test } from 'vitest'
import { openDescriptors, probe } from '../../../test/build/servers.ts'
import type { ExternalCheckSpec } from '../check.ts'

const external = (
  command: ExternalCheckSpec['command'],
  changes: Partial<ExternalCheckSpec> = {},
): ExternalCheckSpec => ({ kind: 'external', command, ...changes })
const shell = (text: string, changes: Partial<ExternalCheckSpec> = {}): ExternalCheckSpec =>
  external({ shell: text }, changes)

const service = { address: '10.0.0.1', port: 80 }

/** Whether some process has this in its command line. */
function isRunning(mark: string): boolean {
  return execFileSync('ps', ['-eo', 'args']).toString().includes(mark)
}

/** Words that no other process bears: a sleep of so many seconds. */
let marks = 0
const newMark = (): string => `9${process.pid}.${++marks}`

describe('check external', () => {
  test.each<{ name: string; spec: ExternalCheckSpec; address?: string; healthy: boolean; detail: string }>([
    { name: 'exit code 0', spec: external({ argv: ['/bin/true'] }), healthy: true, detail: 'exit code 0' },
    { name: 'another', spec: shell('echo no; echo why >&2; exit 3'), healthy: false, detail: 'exit code 3: no why' },
    { name: 'ended by a signal', spec: shell('kill -TERM $$'), healthy: false, detail: 'ended by SIGTERM' },
    { name: 'killed', spec: shell('kill -9 $$'), healthy: false, detail: 'ended by SIGKILL' },
    { name: 'not there', spec: external({ argv: ['/nowhere/check'] }), healthy: false, detail: 'ENOENT' },
    { name: 'not to be run', spec: external({ argv: ['/etc/passwd'] }), healthy: false, detail: 'EACCES' },
    { name: 'a shell that does not find it', spec: shell('/nowhere/check'), healthy: false, detail: 'exit code 127' },
    {
      name: 'arguments as they are',
      spec: external({ argv: ['/bin/echo', 'a b', '$HOME', '*'] }),
      healthy: true,
      detail: ': a b $HOME *',
    },
    {
      name: "ldirectord's four after its own",
      spec: external({ argv: ['/bin/echo', 'x'] }, { positional: true, service }),
      healthy: true,
      detail: ': x 10.0.0.1 80 127.0.0.1 8080',
    },
    {
      name: 'the four in a shell',
      spec: shell('echo "$1-$2-$3-$4-$#"', { positional: true, service: { address: '5', port: 0 } }),
      healthy: true,
      detail: ': 5-0-127.0.0.1-8080-4',
    },
    {
      name: 'IPv6 addresses in brackets',
      spec: external({ argv: ['/bin/echo'] }, { positional: true, service: { address: 'fd00::1', port: 80 } }),
      address: '::1',
      healthy: true,
      detail: ': [fd00::1] 80 [::1] 8080',
    },
    {
      name: 'its environment',
      spec: shell(
        'echo $BATON_SERVICE_ADDRESS $BATON_SERVICE_PORT $BATON_SERVER_ADDRESS $BATON_SERVER_PORT $OWN; test -n "$PATH"',
        { service, environment: { OWN: 'mine' } },
      ),
      healthy: true,
      detail: ': 10.0.0.1 80 127.0.0.1 8080 mine',
    },
    { name: 'nothing to read', spec: shell('test "$(cat)" = ""'), healthy: true, detail: 'exit code 0' },
    {
      name: 'more output than is kept',
      spec: shell('head -c 3000000 /dev/zero | tr "\\0" x; exit 0'),
      healthy: true,
      detail: 'xxxx',
    },
    { name: 'output that it closes', spec: shell('exec >&- 2>&-; exit 2'), healthy: false, detail: 'exit code 2' },
  ])('$name', async ({ spec, address = '127.0.0.1', healthy, detail }) => {
    const before = openDescriptors()
    const result = await probe(spec, 8080, address, 5000)
    expect(result).toMatchObject({ healthy, detail: expect.stringContaining(detail) as string })
    expect(result.detail.length).toBeLessThan(200)
    await expect.poll(openDescriptors).toBeLessThanOrEqual(before)
  })

  test.each<{ code: number; healthy: boolean; report?: object }>([
    { code: 0, healthy: true },
    { code: 1, healthy: false },
    { code: 2, healthy: true, report: { weight: { absolute: 0 } } },
    { code: 255, healthy: true, report: { weight: { absolute: 253 } } },
  ])('exit code $code as a weight', async ({ code, healthy, report }) => {
    const result = await probe(shell(`exit ${code}`, { exitIsWeight: true }), 80, '127.0.0.1', 5000)
    expect(result.healthy).toBe(healthy)
    expect(result.report).toEqual(report)
  })

  test.each<{ name: string; command: (mark: string) => string }>([
    { name: 'itself', command: (mark) => `exec sleep ${mark}` },
    { name: 'its children', command: (mark) => `sleep ${mark} & sleep ${mark}` },
    { name: 'who ignores polite signals', command: (mark) => `trap "" TERM HUP INT; sleep ${mark}; sleep ${mark}` },
  ])('the deadline ends $name', async ({ command }) => {
    const mark = newMark()
    const before = openDescriptors()
    const result = await probe(shell(`echo begun; ${command(mark)}`), 80)
    expect(result).toMatchObject({ healthy: false, detail: expect.stringContaining('killed: begun') as string })
    await expect.poll(() => isRunning(`sleep ${mark}`)).toBe(false)
    await expect.poll(openDescriptors).toBeLessThanOrEqual(before)
  })

  test('what a command leaves in the background ends with it, and holds nobody up', async () => {
    const mark = newMark()
    const result = await probe(shell(`sleep ${mark} & exit 0`), 80, '127.0.0.1', 5000)
    expect(result).toMatchObject({ healthy: true })
    expect(result.tookMs).toBeLessThan(4000)
    await expect.poll(() => isRunning(`sleep ${mark}`)).toBe(false)
  })
})
