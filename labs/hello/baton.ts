/** The built program, run as a user runs it, in directories of its own. */
import { type ChildProcess, spawn } from 'node:child_process'
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

const program = join(import.meta.dirname, '../../bin/baton')

/** One image cache for all labs of this machine: what is built once is not built again. */
const sharedCache = join(tmpdir(), `baton-lab-cache-${process.getuid?.() ?? 0}`)

export type Ended = { readonly code: number | null; readonly stdout: string; readonly stderr: string }

export type Baton = AsyncDisposable & {
  readonly directory: string
  readonly environment: NodeJS.ProcessEnv
  /** Runs to the end. */
  run(...args: readonly string[]): Promise<Ended>
  /** As `run`, with the child at hand: to kill it in the middle. `onLine` gets each line of its standard output. */
  start(args: readonly string[], onLine: (line: string, child: ChildProcess) => void): Promise<Ended>
  json<T>(...args: readonly string[]): Promise<T>
  /** Every file and socket of its directories, image cache aside. */
  leftovers(): string[]
  /** Processes of this machine that carry one of its directories in their command line. */
  processes(): number[]
}

/** `within`: a program and arguments that run the rest of a command in another place, as nsenter(1) does. */
export function openBaton(within: readonly string[] = []): Baton {
  const directory = mkdtempSync(join(tmpdir(), 'bt-'))
  const environment = {
    ...process.env,
    BATON_RUNTIME_DIR: join(directory, 'run'),
    BATON_STATE_DIR: join(directory, 'state'),
    BATON_CACHE_DIR: sharedCache,
    NO_COLOR: '1',
  }
  const start: Baton['start'] = (args, onLine) =>
    new Promise((resolve, reject) => {
      const [command = '', ...words] = [...within, process.execPath, program, ...args]
      const child = spawn(command, words, { env: environment, stdio: ['ignore', 'pipe', 'pipe'] })
      let stdout = ''
      let stderr = ''
      let rest = ''
      child.stdout.setEncoding('utf8').on('data', (text: string) => {
        stdout += text
        const lines = (rest + text).split('\n')
        rest = lines.pop() ?? ''
        for (const line of lines) onLine(line, child)
      })
      child.stderr.setEncoding('utf8').on('data', (text: string) => (stderr += text))
      child.once('error', reject)
      child.once('close', (code) => resolve({ code, stdout, stderr }))
    })
  const run: Baton['run'] = (...args) => start(args, () => {})
  const processes = (): number[] => processesWith(directory)
  return {
    directory,
    environment,
    start,
    run,
    async json<T>(...args: readonly string[]) {
      const { stdout, stderr, code } = await run(...args, '--json')
      if (code !== 0) throw new Error(`baton ${args.join(' ')}: code ${code}: ${stderr}`)
      return JSON.parse(stdout) as T
    },
    leftovers: () => filesBelow(directory),
    processes,
    async [Symbol.asyncDispose]() {
      for (const pid of processes()) killQuietly(pid)
      rmSync(directory, { recursive: true, force: true })
    },
  }
}

/** The environment of a daemon names its directories too: a director's command line does not. */
function processesWith(directory: string): number[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name) && Number(name) !== process.pid)
    .filter((pid) => ['cmdline', 'environ'].some((file) => readQuietly(`/proc/${pid}/${file}`).includes(directory)))
    .map(Number)
}

function readQuietly(path: string): string {
  try {
    return readFileSync(path, 'latin1')
  } catch {
    return '' // it ended, or is somebody else's
  }
}

function killQuietly(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL')
  } catch {
    // it ended by itself
  }
}

function filesBelow(directory: string): string[] {
  if (!existsSync(directory)) return []
  return readdirSync(directory, { recursive: true, encoding: 'utf8' })
}

/** Free a moment ago: good enough for a lab. */
export async function freePort(): Promise<number> {
  const server = createServer()
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const address = server.address()
  await new Promise((resolve) => server.close(resolve))
  return typeof address === 'object' && address !== null ? address.port : 0
}
