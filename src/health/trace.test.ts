import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import fc from 'fast-check'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { buildCheck } from '../../test/build/services.ts'
import { openChecker } from './checker.ts'
import { fakeTiming } from './fake-timing.ts'
import { beginHealth } from './machine.ts'
import { replayTrace } from './replay.ts'
import type { CheckTarget, HealthChange } from './target.ts'
import { TraceFormat, type TraceRecord, traceHead } from './trace.ts'
import { openTraceFile } from './trace-file.ts'
import { parseTrace } from './trace-parse.ts'

const head = traceHead(new Date('2026-01-01T00:00:00.000Z'), 0)

type Step = { readonly passMs: number; readonly sick: readonly number[]; readonly resting: readonly number[] }

const ports = [1, 2, 3]
const some = fc.subarray(ports)
const steps: fc.Arbitrary<Step[]> = fc.array(
  fc.record({ passMs: fc.integer({ min: 0, max: 6 }).map((n) => n * 500), sick: some, resting: some }),
  { minLength: 1, maxLength: 12 },
)

/** A run under the fake clock, with all that its machines were told. */
async function record(
  all: readonly Step[],
): Promise<{ records: TraceRecord[]; changes: (HealthChange & { atMs: number })[] }> {
  const timing = fakeTiming()
  const records: TraceRecord[] = []
  const changes: (HealthChange & { atMs: number })[] = []
  let sick: readonly number[] = []
  await using checker = openChecker({
    timing,
    onChange: (change) => changes.push({ ...change, atMs: timing.now() }),
    onTrace: (record) => records.push(record),
    open: () => (endpoint) =>
      Promise.resolve({ healthy: !sick.includes(endpoint.port), detail: `port ${endpoint.port}`, tookMs: 0 }),
  })
  const check = buildCheck({ connects: 2, damping: { changes: 3, withinMs: 20_000, holdMs: 3000 } })
  const target = (port: number, resting: readonly number[]): CheckTarget => ({
    check,
    endpoint: { address: '10.0.0.1', port },
    maintenance: resting.includes(port),
    ...(port === 3 ? { start: 'presumed' } : {}),
  })
  for (const { passMs, sick: now, resting } of all) {
    sick = now
    checker.watch(ports.map((port) => target(port, resting)))
    await timing.advance(passMs)
  }
  return { records, changes }
}

const linesOf = (records: readonly TraceRecord[], format: TraceFormat = new TraceFormat()): string =>
  records.map((record) => format.lines(record)).join('')

const asSeen = (changes: readonly (HealthChange & { atMs: number })[]): unknown[] =>
  changes.map(({ atMs, ...change }) => ({ ...change, at: new Date(Date.parse('2026-01-01') + atMs).toISOString() }))

describe('a trace', () => {
  test('told again gives the very same changes', async () => {
    await fc.assert(
      fc.asyncProperty(steps, async (all) => {
        const { records, changes } = await record(all)
        const { lines, problems } = parseTrace(head + linesOf(records))
        expect(problems).toEqual([])
        expect(replayTrace(lines).changes).toEqual(asSeen(changes))
      }),
      { numRuns: 30 },
    )
  })

  test('goes on in a new file where the old one ended', async () => {
    await fc.assert(
      fc.asyncProperty(steps, fc.double({ min: 0, max: 1, noNaN: true }), async (all, share) => {
        const { records, changes } = await record(all)
        const at = Math.floor(records.length * share)
        const [first, second] = [records.slice(0, at), records.slice(at)].map((part) =>
          replayTrace(parseTrace(head + linesOf(part)).lines),
        )
        expect([...(first?.changes ?? []), ...(second?.changes ?? [])]).toEqual(asSeen(changes))
      }),
      { numRuns: 20 },
    )
  })

  test('says what would have been with other numbers', () => {
    const key = '10.0.0.1:80 tcp'
    const config = { rise: 1, fall: 3 }
    const begun = beginHealth(undefined, 0)
    const event = (letter: string, index: number): TraceRecord => ({
      kind: 'event',
      key,
      config,
      state: begun,
      event: { kind: letter === '+' ? 'succeeded' : 'failed', check: 'probe', atMs: index * 1000, detail: letter },
    })
    const records: TraceRecord[] = [{ kind: 'began', key, config, state: begun }, ...'+--+-+'.split('').map(event)]
    const { lines } = parseTrace(head + linesOf(records))
    const told = (instead: { rise?: number; fall?: number }, trace = lines): string[] =>
      replayTrace(trace, instead).changes.map(({ at, to }) => `${at.slice(17, 19)} ${to}`)
    expect(told({})).toEqual(['00 healthy'])
    expect(told({ fall: 2 })).toEqual(['00 healthy', '02 unhealthy', '03 healthy'])
    expect(told({ fall: 1, rise: 2 })).toEqual(['00 healthy', '01 unhealthy'])
    // What was lost in between leaves it where the other numbers have led.
    const format = new TraceFormat()
    const parts = [linesOf(records.slice(0, 3), format), format.lost(1), linesOf(records.slice(4), format)]
    expect(told({ fall: 1, rise: 2 }, parseTrace(head + parts.join('')).lines)).toEqual(['00 healthy', '01 unhealthy'])
    expect(replayTrace(lines)).toMatchObject({ servers: 1, results: 6, lost: 0 })
  })

  test('what was lost is said, and everybody introduced again', async () => {
    const { records } = await record([{ passMs: 3000, sick: [], resting: [] }])
    const format = new TraceFormat()
    const text = head + linesOf(records.slice(0, 6), format) + format.lost(4) + linesOf(records.slice(10), format)
    const { lines, problems } = parseTrace(text)
    expect(problems).toEqual([])
    expect(replayTrace(lines).lost).toBe(4)
    expect(lines.filter(({ value }) => 'key' in value && !value.began)).toHaveLength(3)
  })

  test('holds no password, and of a check only what the machine goes by', async () => {
    const records: TraceRecord[] = []
    const timing = fakeTiming()
    await using checker = openChecker({
      timing,
      onChange: () => {},
      onTrace: (record) => records.push(record),
      open: () => () => Promise.resolve({ healthy: true, detail: 'well', tookMs: 0 }),
    })
    const check = buildCheck({ probe: { kind: 'pop3', login: { user: 'me', password: 'secret' } } })
    checker.watch([{ check, endpoint: { address: '10.0.0.1', port: 110 } }])
    await timing.advance(1000)
    expect(linesOf(records)).not.toContain('secret')
  })

  test('lines that are none are all told at once, with their numbers', () => {
    const good = linesOf([{ kind: 'began', key: 'a', config: { rise: 1, fall: 1 }, state: beginHealth(undefined, 0) }])
    const text = `${head}${good}{"n":1,"event":{"kind":"burst","atMs":1}}\nnothing\n{"n":7,"ended":true}\n${head}{"n":1,"ev`
    expect(parseTrace(text).problems).toEqual([
      { line: 3, message: 'this is no line of a trace' },
      { line: 4, message: 'this is no JSON' },
      { line: 5, message: 'no line before says which server 7 is' },
      { line: 6, message: 'a second beginning of a trace' },
    ])
    expect(parseTrace(good).problems).toEqual([{ line: 1, message: 'a trace begins with {"trace":1, …}' }])
    expect(parseTrace('').problems).toHaveLength(1)
  })

  test('any text is read without a crash', () => {
    fc.assert(fc.property(fc.string(), (text) => void replayTrace(parseTrace(head + text).lines)))
  })
})

describe('a file of a trace', () => {
  let folder = ''
  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), 'baton-trace-'))
  })
  afterAll(() => rmSync(folder, { recursive: true, force: true }))

  const now = (): { at: Date; atMs: number } => ({ at: new Date(0), atMs: 0 })

  test('is its owner’s, and one that is there is put aside', async () => {
    const path = join(folder, 'own')
    writeFileSync(path, 'old')
    const { records } = await record([{ passMs: 2000, sick: [2], resting: [] }])
    {
      await using file = openTraceFile(path, { now, onTrouble: () => {} })
      for (const one of records) file.write(one)
    }
    expect(readFileSync(`${path}.1`, 'utf8')).toBe('old')
    expect(statSync(path).mode & 0o777).toBe(0o600)
    const { lines, problems } = parseTrace(readFileSync(path, 'utf8'))
    expect(problems).toEqual([])
    expect(replayTrace(lines).results).toBe(9)
  })

  test('is bounded: it becomes FILE.1, and both can be read by themselves', async () => {
    const path = join(folder, 'bounded')
    const key = 'a'
    const config = { rise: 1, fall: 1 }
    const state = { ...beginHealth('presumed', 0) }
    {
      await using file = openTraceFile(path, { now, onTrouble: () => {}, maximumBytes: 100_000 })
      for (let atMs = 0; atMs < 5000; atMs += 1)
        file.write({
          kind: 'event',
          key,
          config,
          state,
          event: { kind: 'succeeded', check: 'probe', atMs, detail: 'well' },
        })
    }
    for (const part of [path, `${path}.1`]) {
      expect(statSync(part).size).toBeLessThan(250_000)
      const { lines, problems } = parseTrace(readFileSync(part, 'utf8'))
      expect(problems).toEqual([])
      expect(replayTrace(lines).results).toBeGreaterThan(500)
    }
  })

  test('what comes faster than a disk takes it is dropped and counted', async () => {
    const path = join(folder, 'fast')
    const state = beginHealth('presumed', 0)
    {
      await using file = openTraceFile(path, { now, onTrouble: () => {} })
      for (let atMs = 0; atMs < 50_300; atMs += 1)
        file.write({
          kind: 'event',
          key: 'a',
          config: { rise: 1, fall: 1 },
          state,
          event: { kind: 'succeeded', check: 'probe', atMs, detail: 'well' },
        })
    }
    expect(replayTrace(parseTrace(readFileSync(path, 'utf8')).lines)).toMatchObject({ results: 50_000, lost: 300 })
  })

  test('that cannot be written is said once, and nothing else is hurt', async () => {
    const troubles: string[] = []
    {
      await using file = openTraceFile(join(folder, 'nowhere', 'file'), {
        now,
        onTrouble: (reason) => troubles.push(reason),
      })
      file.write({ kind: 'ended', key: 'a' })
      file.write({ kind: 'ended', key: 'a' })
    }
    expect(troubles).toEqual([expect.stringContaining('ENOENT')])
  })
})
