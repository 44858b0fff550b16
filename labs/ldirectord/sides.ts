/** Both directors on one configuration: ldirectord itself on a recorded table, and Baton's. */
import type { ChildProcess } from 'node:child_process'
import { copyFileSync, mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { directorClient } from '../../src/api/client.ts'
import type { DirectorEvent } from '../../src/director/events.ts'
import { localHost } from '../../src/hosts/local/local.ts'
import { openRecordedTable, type RecordedTable, readTable } from './table.ts'
import type { World } from './world.ts'

const original = '/usr/sbin/ldirectord'
const baton = join(import.meta.dirname, '../../bin/baton')
const deadlineMs = 30_000

/** What is said of a configuration that is refused, or of one that is served. */
export type Verdict = { readonly code: number | null; readonly said: readonly string[] }

export type Side = {
  /** In the words of `readTable`. */
  table(): Promise<string[]>
  signal(name: NodeJS.Signals): void
  /** Resolves when it has ended: how, and what it said. */
  readonly ended: Promise<Verdict>
  isRunning(): boolean
}

/** `passes`: how often it has begun to check all servers. */
export type OriginalSide = Side & Pick<RecordedTable, 'calls'> & AsyncDisposable & { passes(): number }

let count = 0

/** Commands for checks. */
const commands: Readonly<Record<string, string>> = {
  killed: 'kill -KILL $$',
  'expects-no-port': '[ "$4" = 0 ]',
}

/** A directory of its own, with the configuration in it. */
export function roomFor(world: World, config: string): { readonly directory: string; readonly file: string } {
  const directory = join(world.directory, String(++count))
  mkdirSync(directory)
  const file = join(directory, 'ldirectord.cf')
  writeFileSync(file, config)
  for (const [name, line] of Object.entries(commands))
    writeFileSync(join(directory, name), `#!/bin/sh\n${line}\n`, { mode: 0o755 })
  return { directory, file }
}

export async function startOriginal(world: World, config: string): Promise<OriginalSide & { readonly file: string }> {
  const { directory, file } = roomFor(world, config)
  const socket = join(directory, 'table')
  const table = await openRecordedTable(socket)
  copyFileSync(join(import.meta.dirname, 'ipvsadm.pl'), join(directory, 'ipvsadm'))
  const child = world.start([original, '-d', file, 'start'], {
    cwd: directory,
    env: { ...process.env, LAB_TABLE: socket, HOSTNAME: 'lab', PERLIO: 'perlio', LC_ALL: 'C' },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  let first: string | undefined
  let passes = 0
  // A pass has ended when the next begins with the same server.
  const output = linesOf(child, (line) => {
    if (!/^DEBUG2: Checking .*(: real server=|No real|Real servers)/.test(line)) return
    first ??= line
    if (line === first) passes += 1
  })
  return {
    file,
    calls: table.calls,
    table: () => table.read(),
    passes: () => passes,
    ...processOf(child, output),
    async [Symbol.asyncDispose]() {
      await end(child, output)
      await table[Symbol.asyncDispose]()
    },
  }
}

export type BatonSide = Side & AsyncDisposable & { readonly file: string; events(): DirectorEvent[] }

export async function startBaton(world: World, config: string): Promise<BatonSide> {
  const { directory, file } = roomFor(world, config)
  const { directories, environment } = placesIn(directory)
  const child = world.start([process.execPath, baton, 'director', '--engine', 'fake', '--config', file], {
    cwd: directory,
    env: environment,
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  const output = linesOf(child)
  const client = directorClient(localHost({ directories }))
  return {
    file,
    table: () => readTable(client),
    events: () => output.lines.flatMap(eventIn),
    ...processOf(child, output),
    [Symbol.asyncDispose]: () => end(child, output),
  }
}

/** Baton's ldirectord, on an engine in memory; with `-d`, as the original is run here. */
export function startProgram(world: World, config: string): Side & AsyncDisposable & { readonly file: string } {
  const { directory, file } = roomFor(world, config)
  const { directories, environment } = placesIn(directory)
  const child = world.start([process.execPath, baton, 'ldirectord', '-d', file, 'start'], {
    cwd: directory,
    env: { ...environment, BATON_ENGINE: 'fake' },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  const output = linesOf(child)
  const client = directorClient(localHost({ directories }))
  return {
    file,
    table: () => readTable(client),
    ...processOf(child, output),
    [Symbol.asyncDispose]: () => end(child, output),
  }
}

function placesIn(directory: string) {
  const [runtime, state, cache] = [join(directory, 'run'), join(directory, 'state'), join(directory, 'cache')]
  const own = { BATON_RUNTIME_DIR: runtime, BATON_STATE_DIR: state, BATON_CACHE_DIR: cache }
  return {
    directories: { runtime, state, cache },
    environment: { ...process.env, ...own, HOSTNAME: 'lab', NO_COLOR: '1' },
  }
}

type LogEntry = { readonly event?: string; readonly [key: string]: unknown }

/** What the director's log says has happened, in its order. */
function eventIn(line: string): DirectorEvent[] {
  if (!line.startsWith('{')) return []
  const { event, ...fields } = JSON.parse(line) as LogEntry
  return event === undefined ? [] : [{ kind: event, ...fields } as unknown as DirectorEvent]
}

type Output = { readonly lines: string[]; readonly ended: Promise<Verdict> }

function linesOf(child: ChildProcess, onLine: (line: string) => void = () => {}): Output {
  const lines: string[] = []
  for (const stream of [child.stdout, child.stderr]) {
    let rest = ''
    stream?.setEncoding('utf8').on('data', (text: string) => {
      const whole = (rest + text).split('\n')
      rest = whole.pop() ?? ''
      lines.push(...whole)
      for (const line of whole) onLine(line)
    })
  }
  const ended = new Promise<Verdict>((resolve, reject) => {
    child.once('error', reject)
    child.once('close', (code) => resolve({ code, said: lines }))
  })
  ended.catch(() => undefined)
  return { lines, ended }
}

function processOf(child: ChildProcess, { ended }: Output): Pick<Side, 'signal' | 'ended' | 'isRunning'> {
  return {
    ended,
    signal: (name) => void child.kill(name),
    isRunning: () => child.exitCode === null && child.signalCode === null,
  }
}

async function end(child: ChildProcess, { ended }: Output): Promise<void> {
  child.kill('SIGTERM')
  const late = setTimeout(() => child.kill('SIGKILL'), deadlineMs)
  await ended
  clearTimeout(late)
}
