/** ldirectord as a program, by its own name, in directories of its own; and real servers that can be turned off. */
import { spawn } from 'node:child_process'
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { type AddressInfo, createServer, type Server, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

const launcher = join(import.meta.dirname, '../../bin/baton')

export type Ended = { readonly code: number | null; readonly out: string; readonly err: string }

export type Program = AsyncDisposable & {
  readonly root: string
  readonly environment: NodeJS.ProcessEnv
  /** Writes a file below etc/ha.d. */
  config(name: string, lines: readonly string[]): string
  ldirectord(...words: readonly string[]): Promise<Ended>
  baton(...words: readonly string[]): Promise<Ended>
  /** In the foreground: what it has said so far, and its end. */
  foreground(...words: readonly string[]): Foreground
  /** The messages of the log, without time and process. */
  log(instance: string): string[]
  rawLog(): string
  pidFile(instance: string): string
  /** What is in the table, `SERVICE > SERVER WEIGHT` each. */
  table(): Promise<string[]>
  /** Processes that carry its directories. */
  processes(): { readonly pid: number; readonly command: string }[]
}

export type Foreground = {
  readonly pid: number
  readonly said: { out: string; err: string }
  readonly ended: Promise<number | null>
}

export function openProgram(): Program {
  const root = mkdtempSync(join(tmpdir(), 'bl-'))
  for (const name of ['bin', 'etc/ha.d', 'var/run', 'var/log']) mkdirSync(join(root, name), { recursive: true })
  const own = join(root, 'bin/ldirectord')
  symlinkSync(launcher, own)
  const environment = {
    ...process.env,
    BATON_LDIRECTORD_ROOT: root,
    BATON_RUNTIME_DIR: join(root, 'run'),
    BATON_STATE_DIR: join(root, 'state'),
    BATON_CACHE_DIR: join(root, 'cache'),
    BATON_ENGINE: 'userspace',
    NO_COLOR: '1',
  }
  const begin = (program: string, words: readonly string[]) =>
    spawn(process.execPath, [program, ...words], { env: environment, cwd: root, stdio: ['ignore', 'pipe', 'pipe'] })
  const run = (program: string, words: readonly string[]): Promise<Ended> =>
    new Promise((resolve, reject) => {
      const child = begin(program, words)
      let [out, err] = ['', '']
      child.stdout.on('data', (chunk: Buffer) => (out += chunk.toString()))
      child.stderr.on('data', (chunk: Buffer) => (err += chunk.toString()))
      child.once('error', reject)
      // Whoever waits for the end of its output, as a shell's $( ) does, must not wait for the daemon.
      child.once('close', (code) => resolve({ code, out, err }))
    })
  const rawLog = (): string => readIfThere(join(root, 'var/log/ldirectord.log'))
  const processes = () => processesWith(root)
  return {
    root,
    environment,
    config(name, lines) {
      const path = join(root, 'etc/ha.d', name)
      writeFileSync(path, lines.map((line) => `${line}\n`).join(''))
      return path
    },
    ldirectord: (...words) => run(own, words),
    baton: (...words) => run(launcher, words),
    foreground(...words) {
      const child = begin(own, words)
      const said = { out: '', err: '' }
      child.stdout.on('data', (chunk: Buffer) => (said.out += chunk.toString()))
      child.stderr.on('data', (chunk: Buffer) => (said.err += chunk.toString()))
      const ended = new Promise<number | null>((resolve) => child.once('close', resolve))
      return { pid: child.pid ?? 0, said, ended }
    },
    rawLog,
    log: (instance) =>
      rawLog()
        .split('\n')
        .flatMap((line) => new RegExp(`\\|${instance}\\|\\d+\\] (.*)$`).exec(line)?.[1] ?? []),
    pidFile: (instance) => join(root, `var/run/ldirectord.${instance}.pid`),
    async table() {
      const { out } = await run(launcher, ['ipvsadm', '-S', '-n'])
      return out.split('\n').flatMap((line) => {
        const server = /^-a -t (\S+) -r (\S+) -m -w (\d+)/.exec(line)
        const service = /^-A -t (\S+) /.exec(line)
        if (server !== null) return [`${server[1]} > ${server[2]} ${server[3]}`]
        return service === null ? [] : [`${service[1]}`]
      })
    },
    processes,
    async [Symbol.asyncDispose]() {
      for (let found = processes(); found.length > 0; found = processes())
        for (const { pid } of found) killQuietly(pid, 'SIGKILL')
      rmSync(root, { recursive: true, force: true })
    },
  }
}

/** A TCP server whose door can be closed and opened again at its port. */
export type Door = AsyncDisposable & { readonly at: string; close(): Promise<void>; open(): Promise<void> }

export async function openDoor(address = '127.0.0.1'): Promise<Door> {
  const sockets = new Set<Socket>()
  let server: Server | undefined
  let port = 0
  const open = async (): Promise<void> => {
    if (server !== undefined) return
    const next = createServer((socket) => {
      sockets.add(socket)
      socket.on('error', () => {}).on('close', () => sockets.delete(socket))
    })
    await new Promise<void>((resolve, reject) => next.once('error', reject).listen(port, address, resolve))
    server = next
    port = (next.address() as AddressInfo).port
  }
  const close = async (): Promise<void> => {
    const last = server
    server = undefined
    for (const socket of sockets) socket.destroy()
    if (last !== undefined) await new Promise((resolve) => last.close(resolve))
  }
  await open()
  return { at: `${address}:${port}`, open, close, [Symbol.asyncDispose]: close }
}

export function readIfThere(path: string): string {
  return existsSync(path) ? readFileSync(path, 'utf8') : ''
}

export function killQuietly(pid: number, signal: NodeJS.Signals): void {
  try {
    process.kill(pid, signal)
  } catch {
    // it ended by itself
  }
}

function processesWith(root: string): { pid: number; command: string }[] {
  const read = (path: string): string => {
    try {
      return readFileSync(path, 'latin1')
    } catch {
      return '' // it ended, or is somebody else's
    }
  }
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name) && Number(name) !== process.pid)
    .filter((pid) => ['cmdline', 'environ'].some((file) => read(`/proc/${pid}/${file}`).includes(root)))
    .map((pid) => ({ pid: Number(pid), command: read(`/proc/${pid}/cmdline`).replaceAll('\0', ' ').trim() }))
}
