import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, describe, expect, test } from 'vitest'
import { runLine } from './shell-line.ts'

const directory = mkdtempSync(join(tmpdir(), 'baton-line-'))
afterAll(() => rmSync(directory, { recursive: true }))

const run = (line: string, args: readonly string[] = [], ms = 10_000): Promise<string | undefined> =>
  runLine({ line, args, environment: { BATON_SERVICE: 'www', OUT: join(directory, 'out') } }, AbortSignal.timeout(ms))
const out = (): string => readFileSync(join(directory, 'out'), 'utf8')

/** Whether the process is there, and no zombie. */
const isAlive = (pid: number): boolean => {
  try {
    return !readFileSync(`/proc/${pid}/stat`, 'utf8').includes(') Z ')
  } catch {
    return false
  }
}

describe('a shell line', () => {
  test('gets its arguments after its own, and the environment', async () => {
    expect(
      await run('printf "%s|" "$BATON_SERVICE" >"$OUT"; set -- a "b c" "$@"; printf "%s|" "$@" >>"$OUT"; true', [
        'start',
        'x y',
      ]),
    ).toBe(undefined)
    expect(out()).toBe('www|a|b c|start|x y|')
    expect(await run('printf "%s|" 1 >"$OUT"; printf "%s|" >>"$OUT"', ['start', 'x y'])).toBe(undefined)
    expect(out()).toBe('1|start|x y|')
  })

  test.each([
    ['exit 3 #', 'exit code 3'],
    ['/no/such/program', 'exit code 127'],
    ['kill -TERM $$ #', 'it was ended by SIGTERM'],
  ])('%s: %s', async (line, failure) => {
    expect(await run(`${line} 2>/dev/null`)).toBe(failure)
  })

  test('that does not end is killed with all that it began', async () => {
    const failure = await run('sleep 100 & echo $! >"$OUT"; wait #', [], 300)
    expect(failure).toBe('it did not end in time and was killed')
    for (let turns = 0; isAlive(Number(out())) && turns < 1000; turns += 1) await new Promise(setImmediate)
    expect(isAlive(Number(out()))).toBe(false)
  })

  test('that ends may leave something running, which is not waited for', async () => {
    expect(await run('sleep 100 & echo $! >"$OUT"; exit 0 #')).toBe(undefined)
    const pid = Number(out())
    expect(isAlive(pid)).toBe(true)
    process.kill(pid, 'SIGKILL')
  })

  test('for which there is no time is not begun', async () => {
    const aborted = runLine({ line: 'echo no >"$OUT"', args: [], environment: {} }, AbortSignal.abort())
    expect(await aborted).toBe('there was no time for it')
  })
})
