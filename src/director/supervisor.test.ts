import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { hopelessCode, restartDelayMs, supervise } from './supervisor.ts'

/** A daemon in a few words; `mark()` adds a letter and the count of restarts to a file. */
async function run(
  script: string,
  signal: AbortSignal = AbortSignal.timeout(20_000),
): Promise<{ code: number; marks: string; logged: Readonly<Record<string, unknown>>[] }> {
  const directory = mkdtempSync(join(tmpdir(), 'baton-supervisor-'))
  const file = join(directory, 'marks')
  const logged: Readonly<Record<string, unknown>>[] = []
  const prelude = `const mark = (text) => require('fs').appendFileSync(${JSON.stringify(file)}, text + process.env.BATON_DIRECTOR_RESTARTS + ' ');`
  try {
    const code = await supervise({
      command: [process.execPath, '-e', prelude + script],
      environment: process.env,
      signal,
      log: (entry) => logged.push(entry),
    })
    return { code, marks: readFileSync(file, 'utf8').trim(), logged }
  } finally {
    rmSync(directory, { recursive: true, force: true })
  }
}

describe('supervisor', () => {
  test('the first restart is at once, the next ones come ever more slowly', () => {
    expect([1, 2, 3, 4, 5, 9, 50].map(restartDelayMs)).toEqual([0, 50, 100, 200, 400, 5000, 5000])
  })

  test('a daemon that crashes is started again and told how often, until it ends in order', async () => {
    const { code, marks, logged } = await run(`
      mark('s')
      if (process.env.BATON_DIRECTOR_RESTARTS === '0') process.kill(process.pid, 'SIGKILL')
      else process.exit(process.env.BATON_DIRECTOR_RESTARTS === '1' ? 1 : 0)`)
    expect({ code, marks }).toEqual({ code: 0, marks: 's0 s1 s2' })
    expect(logged).toEqual([
      { component: 'supervisor', code: null, reason: 'SIGKILL', restarts: 1, waitMs: 0 },
      { component: 'supervisor', code: 1, reason: null, restarts: 2, waitMs: 50 },
    ])
  })

  test('a daemon that says that it is hopeless is not started again', async () => {
    expect(await run(`mark('s'); process.exit(${hopelessCode})`)).toMatchObject({ code: hopelessCode, marks: 's0' })
  })

  test('an end that was asked for is handed on, and waited for', async () => {
    const stop = new AbortController()
    const { code, marks } = await run(
      `process.on('SIGTERM', () => setTimeout(() => { mark('t'); process.exit(7) }, 50))
       process.on('SIGHUP', () => mark('h'))
       mark('s'); setInterval(() => {}, 1000)
       process.kill(process.ppid, 'SIGHUP'); setTimeout(() => process.kill(process.ppid, 'SIGUSR2'), 200)`,
      aborted(stop),
    )
    expect({ code, marks }).toEqual({ code: 0, marks: 's0 h0 t0' })
  })

  test('a program that cannot be started is tried until the end is asked for', async () => {
    const logged: Readonly<Record<string, unknown>>[] = []
    const stop = new AbortController()
    const code = await supervise({
      command: ['/nowhere/baton'],
      environment: {},
      signal: stop.signal,
      log: (entry) => {
        logged.push(entry)
        if (logged.length === 3) stop.abort()
      },
    })
    expect(code).toBe(0)
    expect(logged).toMatchObject([{ code: null, reason: expect.stringContaining('ENOENT') as string }, {}, {}])
  })
})

/** The daemon of a test says with SIGUSR2 that it has seen enough. */
function aborted(stop: AbortController): AbortSignal {
  process.once('SIGUSR2', () => stop.abort())
  return stop.signal
}
