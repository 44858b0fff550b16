/** The built program with a large table: a director as a process of its own, asked by commands as processes of their own. */
import { type ChildProcess, spawn } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { eventLoopDelay } from '../../labs/net/event-loop.ts'
import { editArguments, type Figures, median, ruleLines, type Size, specText } from './table.ts'

const baton = join(import.meta.dirname, '../../bin/baton')
const patienceMs = 300_000

type Running = { readonly child: ChildProcess; readonly socket: string; readonly log: () => string; readonly run: Run }
type Run = (arguments_: readonly string[], input?: string) => Promise<number>

export async function measureDirector(engine: string, size: Size, rounds: number): Promise<Figures> {
  const rules = `${ruleLines(size).join('\n')}\n`
  const [loads, lists, edits, baselines]: number[][] = [[], [], [], []]
  let bytes = 0
  let heldMs = 0
  await withDirector(['--engine', engine], async ({ child, run, socket }) => {
    await eventLoopDelay(socket)
    for (let round = 0; round < rounds; round += 1) {
      await run(['-C'])
      baselines?.push(await run(['-Ln']))
      const before = residentBytes(child.pid)
      loads?.push(await run(['-R'], rules))
      if (round === 0) bytes = residentBytes(child.pid) - before
      lists?.push(await run(['-Ln']))
      for (let count = 0; count < 3; count += 1) edits?.push(await run(editArguments(size, 2 + count)))
      heldMs = Math.max(heldMs, (await eventLoopDelay(socket)).longest)
    }
  })
  const { startMs, reloadMs } = await measureFile(engine, size, rounds)
  return {
    loadMs: median(loads ?? []),
    listMs: median(lists ?? []),
    editMs: median(edits ?? []),
    baselineMs: median(baselines ?? []),
    startMs,
    reloadMs,
    bytes,
    heldMs,
  }
}

async function measureFile(engine: string, size: Size, rounds: number): Promise<{ startMs: number; reloadMs: number }> {
  const directory = mkdtempSync(join(tmpdir(), 'baton-scale-'))
  try {
    const file = join(directory, 'scale.yaml')
    writeFileSync(file, specText(size, 1))
    const begun = performance.now()
    return await withDirector(['--engine', engine, '--config', file], async ({ child, log }) => {
      const startMs = performance.now() - begun
      const reloads: number[] = []
      for (let round = 0; round < rounds; round += 1) {
        writeFileSync(file, specText(size, 2 + round))
        const asked = performance.now()
        child.kill('SIGHUP')
        await until(() => log().split('the file was read again').length > round + 1, 'the file is read again')
        reloads.push(performance.now() - asked)
      }
      return { startMs, reloadMs: median(reloads) }
    })
  } finally {
    rmSync(directory, { recursive: true, force: true })
  }
}

async function withDirector<T>(options: readonly string[], body: (running: Running) => Promise<T>): Promise<T> {
  const directory = mkdtempSync(join(tmpdir(), 'baton-scale-'))
  const env = {
    ...process.env,
    BATON_RUNTIME_DIR: join(directory, 'run'),
    BATON_STATE_DIR: join(directory, 'state'),
    BATON_CACHE_DIR: join(directory, 'cache'),
  }
  const child = spawn(process.execPath, [baton, 'director', ...options], { env, stdio: ['ignore', 'pipe', 'pipe'] })
  let log = ''
  let told = ''
  child.stdout.on('data', (chunk: Buffer) => (log = (log + chunk.toString()).slice(-1_000_000)))
  child.stderr.on('data', (chunk: Buffer) => (told += chunk.toString()))
  const run: Run = (arguments_, input = '') => runCommand(['ipvsadm', ...arguments_], input, env)
  try {
    const living = (): void => {
      if (child.exitCode !== null || child.signalCode !== null) throw new Error(`the director has ended: ${told}`)
    }
    await until(() => {
      living()
      return told.includes('serves')
    }, 'the director serves')
    const saidLog = (): string => {
      living()
      return log
    }
    return await body({ child, log: saidLog, run, socket: join(env.BATON_RUNTIME_DIR, 'director.sock') })
  } finally {
    const ended = new Promise((resolve) => child.once('exit', resolve))
    if (child.exitCode === null && child.signalCode === null && child.kill('SIGTERM')) await ended
    rmSync(directory, { recursive: true, force: true })
  }
}

/** Milliseconds. */
async function runCommand(arguments_: readonly string[], input: string, env: NodeJS.ProcessEnv): Promise<number> {
  const begun = performance.now()
  const child = spawn(process.execPath, [baton, ...arguments_], { env, stdio: ['pipe', 'ignore', 'pipe'] })
  let said = ''
  child.stderr.on('data', (chunk: Buffer) => (said = (said + chunk.toString()).slice(-2000)))
  child.stdin.end(input)
  const code = await new Promise((resolve) => child.once('exit', resolve))
  if (code !== 0) throw new Error(`baton ${arguments_.slice(0, 4).join(' ')} ended with ${String(code)}: ${said}`)
  return performance.now() - begun
}

function residentBytes(pid: number | undefined): number {
  const kibibytes = /^VmRSS:\s+(\d+)/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1]
  return Number(kibibytes) * 1024
}

async function until(isTrue: () => boolean, what: string): Promise<void> {
  const begun = performance.now()
  while (!isTrue()) {
    if (performance.now() - begun > patienceMs) throw new Error(`waited in vain until ${what}`)
    await sleep(5)
  }
}
