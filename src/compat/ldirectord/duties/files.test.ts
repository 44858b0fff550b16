import { appendFileSync, chmodSync, mkdtempSync, readFileSync, rmSync, utimesSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { buildPlan } from '../../../../test/build/ldirectord.ts'
import { localHost } from '../../../hosts/local/local.ts'
import { removePidFile, runningOf, writePidFile } from '../program/pid-file.ts'
import { type Commands, changeOthers, runCallback, runOthers } from './commands.ts'
import { watchFile } from './file-watch.ts'
import { openMovableLog } from './log-sink.ts'

let folder = ''
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'baton-ld-'))
})
afterEach(() => rmSync(folder, { recursive: true }))
const place = (name: string): string => join(folder, name)

describe('a watched file', () => {
  test('is changed by another content only, and once', () => {
    const path = place('web.cf')
    writeFileSync(path, 'one')
    const watch = watchFile(path)
    watch.read('one')
    expect([watch.look(), watch.look()]).toEqual(['same', 'same'])
    utimesSync(path, 1000, 1000)
    expect(watch.look()).toBe('same')
    writeFileSync(path, 'two')
    expect([watch.look(), watch.look()]).toEqual(['changed', 'same'])
    writeFileSync(path, 'three')
    watch.read('three')
    expect(watch.look()).toBe('same')
    rmSync(path)
    expect(watch.look()).toMatchObject({ failure: expect.stringContaining('ENOENT') as string })
    writeFileSync(path, 'three')
    expect(watch.look()).toBe('same')
  })

  test('that was changed while it was read is found to be', () => {
    const path = place('web.cf')
    writeFileSync(path, 'new')
    const watch = watchFile(path)
    watch.read('old')
    expect(watch.look()).toBe('changed')
    watch.read('older')
    expect(watch.look()).toBe('changed')
  })
})

describe('the commands of a file', () => {
  const script = (name: string, text: string): string => {
    writeFileSync(place(name), `#!/bin/sh\n${text}\n`)
    chmodSync(place(name), 0o755)
    return place(name)
  }
  function commands(): Commands & { readonly lines: string[] } {
    const lines: string[] = []
    const ldirectord = script('ldirectord', `echo "$@" >> ${folder}/calls\n[ "$1 $2" != "new.cf reload" ]`)
    return { host: localHost(), ldirectord: [ldirectord], log: (message) => lines.push(message), lines }
  }
  const calls = (): string[] => readFileSync(place('calls'), 'utf8').trim().split('\n')
  const signal = new AbortController().signal

  test('a callback is run with the file when it can be run, and what it fails with is said', async () => {
    const own = commands()
    const plan = (callback: string) => buildPlan(undefined, { callback })
    await runCallback(plan(script('good', `echo "$1" > ${folder}/called`)), '/web.cf', own, signal)
    expect(readFileSync(place('called'), 'utf8')).toBe('/web.cf\n')
    writeFileSync(place('plain'), '')
    await runCallback(plan(place('plain')), '/web.cf', own, signal)
    expect(own.lines).toEqual([])
    await runCallback(plan(script('bad', 'echo no >&2; exit 3')), '/web.cf', own, signal)
    expect(own.lines).toEqual([`system(${place('bad')} /web.cf) failed: exit code 3: no`])
  })

  test('other instances are started, stopped and told to reload as they come and go', async () => {
    const own = commands()
    await runOthers(['a.cf', 'b.cf'], 'start', own)
    await changeOthers(['a.cf', 'new.cf'], ['new.cf', 'c.cf'], own)
    expect(calls()).toEqual(['a.cf start', 'b.cf start', 'a.cf stop', 'new.cf reload', 'new.cf start', 'c.cf start'])
    expect(own.lines).toEqual(['system(ldirectord new.cf reload) failed: exit code 1'])
  })
})

describe('the pid file', () => {
  test('names a daemon only when that is an ldirectord', () => {
    const path = place('pid')
    expect(runningOf(path)).toBe('no')
    // The first process of a machine is none.
    writePidFile(path, 1)
    expect(runningOf(path)).toBe('stale')
    writeFileSync(path, 'garbage')
    expect(runningOf(path)).toBe('stale')
    writeFileSync(path, '')
    expect(runningOf(path)).toBe('stale')
  })

  test("somebody else's is left alone", () => {
    writePidFile(place('pid'), 1)
    removePidFile(place('pid'), 2)
    expect(readFileSync(place('pid'), 'utf8')).toBe('1\n')
    removePidFile(place('pid'), 1)
    expect(runningOf(place('pid'))).toBe('no')
  })
})

test('a log file may be moved away, and another take its place', async () => {
  const err: string[] = []
  await using log = openMovableLog({
    target: { kind: 'file', path: place('log') },
    instance: 'web.cf',
    pid: 42,
    now: () => new Date(2026, 10, 3),
    out: () => {},
    err: (text) => err.push(text),
  })
  log.write('one')
  rmSync(place('log'))
  log.write('two')
  expect(readFileSync(place('log'), 'utf8')).toBe('[Tue Nov  3 00:00:00 2026|web.cf|42] two\n')
  log.moveTo({ kind: 'file', path: place('other') })
  appendFileSync(place('other'), '')
  log.write('three')
  expect(readFileSync(place('other'), 'utf8')).toContain('] three\n')
  log.moveTo({ kind: 'file', path: place('none/log') })
  log.write('four')
  expect(err).toEqual(['four\n'])
})
