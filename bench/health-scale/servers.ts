/** The servers that are checked: many addresses of loopback, on few ports of a process of their own. */
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import type { Endpoint } from '../../src/lvs/service.ts'

export const portCount = 100
const firstPort = 21_000

/** Each at an address of its own; every hundredth shares its port. */
export function serversOf(count: number): Endpoint[] {
  return Array.from({ length: count }, (_, at) => ({
    address: `127.${1 + (at >> 16)}.${(at >> 8) & 255}.${at & 255}`,
    port: firstPort + (at % portCount),
  }))
}

export type Servers = AsyncDisposable & {
  /** The ports are closed, or open again, when it resolves: to the wall time of that. */
  close(from: number, to: number): Promise<number>
  /** They take no connection and refuse none: what comes is dropped. */
  silence(from: number, to: number): Promise<number>
  open(from: number, to: number): Promise<number>
}

export async function openServers(): Promise<Servers> {
  const child = program('listener.ts', [String(firstPort), String(portCount)])
  const lines = linesOf(child)
  await lines.next()
  const ask = async (what: string, from: number, to: number): Promise<number> => {
    child.stdin?.write(`${what} ${from} ${to}\n`)
    return Number((await lines.next()).value)
  }
  return {
    close: (from, to) => ask('close', from, to),
    silence: (from, to) => ask('silence', from, to),
    open: (from, to) => ask('open', from, to),
    [Symbol.asyncDispose]: () => ended(child),
  }
}

/** One of the programs beside this file, as a process of its own: what it costs is its own. */
export function program(file: string, options: readonly string[]): ChildProcess {
  return spawn(
    process.execPath,
    ['--import', import.meta.resolve('tsx'), join(import.meta.dirname, file), ...options],
    { stdio: ['pipe', 'pipe', 'inherit'] },
  )
}

export async function* linesOf({ stdout }: ChildProcess): AsyncGenerator<string> {
  if (stdout === null) throw new Error('a process without an output')
  let rest = ''
  for await (const chunk of stdout.setEncoding('utf8')) {
    const lines = (rest + String(chunk)).split('\n')
    rest = lines.pop() ?? ''
    yield* lines
  }
}

export async function ended(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return
  const exit = once(child, 'exit', { signal: AbortSignal.timeout(20_000) })
  child.kill('SIGTERM')
  await exit
}
