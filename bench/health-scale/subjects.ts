/** Who checks: Baton's checker and HAProxy, each a process of its own with the same servers, intervals and timeouts. */
import { type ChildProcess, spawn } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { ended, linesOf, program, serversOf } from './servers.ts'

export type Load = { readonly servers: number; readonly everyMs: number; readonly timeoutMs: number }

export type Subject = AsyncDisposable & {
  /** Addresses that are down, each with the wall time at which that was said. */
  readonly down: Map<string, number>
  cpuMs(): number
  residentMiB(): number
}

export type SubjectName = 'baton' | 'haproxy'

export async function openSubject(name: SubjectName, load: Load): Promise<Subject> {
  const directory = mkdtempSync(join(tmpdir(), 'baton-health-'))
  const child = name === 'baton' ? startBaton(load) : startHaproxy(load, directory)
  const down = new Map<string, number>()
  const take = name === 'baton' ? takeBaton : takeHaproxy(load)
  const listening = (async () => {
    for await (const line of linesOf(child)) take(line, down)
  })()
  await sleep(500)
  if (child.exitCode !== null) throw new Error(`${name} has ended with ${child.exitCode}`)
  return {
    down,
    cpuMs: () => cpuMs(child),
    residentMiB: () => Number(/^VmRSS:\s+(\d+)/m.exec(readFileSync(`/proc/${child.pid}/status`, 'utf8'))?.[1]) / 1024,
    async [Symbol.asyncDispose]() {
      await ended(child)
      await listening
      rmSync(directory, { recursive: true, force: true })
    },
  }
}

function startBaton({ servers, everyMs, timeoutMs }: Load): ChildProcess {
  return program('checker.ts', [servers, everyMs, timeoutMs].map(String))
}

function takeBaton(line: string, down: Map<string, number>): void {
  const [address = '', to, at] = line.split(' ')
  if (to === 'down') down.set(address, Number(at))
  else down.delete(address)
}

/** One thread: what it takes is its time on processors, as it is of the other. */
function startHaproxy({ servers, everyMs, timeoutMs }: Load, directory: string): ChildProcess {
  const file = join(directory, 'haproxy.cfg')
  const lines = [
    'global',
    '  nbthread 1',
    `  maxconn 2000`,
    '  log stdout format raw local0',
    'defaults',
    '  mode tcp',
    '  log global',
    `  timeout connect ${timeoutMs}ms`,
    `  timeout check ${timeoutMs}ms`,
    '  timeout server 10s',
    'listen all',
    `  bind unix@${join(directory, 'unused')}`,
    `  default-server check inter ${everyMs}ms fall 1 rise 1`,
    ...serversOf(servers).map(({ address, port }, at) => `  server s${at} ${address}:${port}`),
  ]
  writeFileSync(file, `${lines.join('\n')}\n`)
  return spawn('haproxy', ['-db', '-f', file], { stdio: ['ignore', 'pipe', 'ignore'] })
}

function takeHaproxy({ servers }: Load): (line: string, down: Map<string, number>) => void {
  const all = serversOf(servers)
  return (line, down) => {
    const said = /^Server all\/s(\d+) is (UP|DOWN)/.exec(line)
    if (said === null) return
    const { address = '' } = all[Number(said[1])] ?? {}
    if (said[2] === 'DOWN') down.set(address, Date.now())
    else down.delete(address)
  }
}

/** User and system time, in ticks of a hundredth of a second. */
function cpuMs({ pid }: ChildProcess): number {
  const fields = readFileSync(`/proc/${pid}/stat`, 'utf8')
    .replace(/^.*\) /, '')
    .split(' ')
  return (Number(fields[11]) + Number(fields[12])) * 10
}
