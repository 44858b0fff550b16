/** The Host port in memory: files, commands that the user of the fake gives, sockets and locks. Same rules as a real one. */
import { Duplex } from 'node:stream'
import { setTimeout as sleep } from 'node:timers/promises'
import { InfraError } from '../../errors.ts'
import type { Directories, Host, HostFacts, RunOptions, RunResult } from '../host.ts'
import { abortError, asInfraError } from '../local/failures.ts'

/** What a program does on the fake host; it must end when its signal aborts. */
export type FakeCommand = (args: readonly string[], options: RunOptions) => Promise<RunResult>

export type FakeHost = Host & {
  /** Makes a program known; any other is `missing-tool`. */
  install(program: string, command: FakeCommand): void
  /** Listens on a socket path until disposed; `serve` gets the server's end of each connection. */
  listen(path: string, serve: (stream: Duplex) => void): Disposable
}

export const fakeFacts: HostFacts = {
  hostname: 'fake',
  architecture: 'x86_64',
  kernel: '6.1.0-fake',
  distribution: { id: 'debian', version: '12' },
  memoryBytes: 64 * 1024 ** 3,
  availableMemoryBytes: 60 * 1024 ** 3,
  cpus: 16,
  cpuFlags: ['vmx'],
  isRoot: false,
  bootId: '00000000-0000-4000-8000-000000000000',
}

const directories: Directories = { runtime: '/run/baton', state: '/var/lib/baton', cache: '/var/cache/baton' }

export function fakeHost(options: { readonly name?: string; readonly facts?: Partial<HostFacts> } = {}): FakeHost {
  const files = fakeFiles()
  const commands = new Map<string, FakeCommand>()
  const sockets = new Map<string, (stream: Duplex) => void>()
  const locks = new Set<string>()
  const processes = new Set<number>()
  let nextPid = 1000
  const find = (program: string): FakeCommand => {
    const command = commands.get(program)
    if (command === undefined) throw new InfraError('missing-tool', `${program} is not installed`, { subject: program })
    return command
  }
  return {
    name: options.name ?? 'fake',
    directories,
    ...files,
    install: (program, command) => void commands.set(program, command),
    listen(path, serve) {
      sockets.set(path, serve)
      return { [Symbol.dispose]: () => void sockets.delete(path) }
    },
    facts: async () => ({ ...fakeFacts, ...options.facts }),
    async run([program = '', ...args], runOptions) {
      if (runOptions.signal.aborted) throw abortError(runOptions.signal, `run ${program}`, program)
      const result = await find(program)(args, runOptions)
      if (runOptions.signal.aborted) throw abortError(runOptions.signal, `run ${program}`, program)
      return result
    },
    async spawn([program = '', ...args]) {
      const command = find(program)
      const pid = nextPid++
      processes.add(pid)
      const controller = new AbortController()
      void command(args, { signal: controller.signal }).finally(() => processes.delete(pid))
      return pid
    },
    async connect(path) {
      const serve = sockets.get(path)
      if (serve === undefined)
        throw new InfraError('not-found', `connect to ${path}: ENOENT`, { subject: path, retryable: false })
      const [near, far] = streamPair()
      serve(far)
      return near
    },
    async lock(path, { signal }) {
      while (locks.has(path)) {
        await sleep(1, undefined, { signal }).catch((error: unknown) => {
          throw asInfraError(error, `lock ${path}`, path, signal)
        })
      }
      locks.add(path)
      return { [Symbol.asyncDispose]: async () => void locks.delete(path) }
    },
    widenBacklog: async () => 0,
    async signal(pid, signal) {
      if (!processes.has(pid)) return false
      if (signal === 'SIGTERM' || signal === 'SIGKILL') processes.delete(pid)
      return true
    },
  }
}

type FileMethods = Pick<Host, 'readFile' | 'writeFile' | 'list' | 'makeDirectory' | 'rename' | 'remove'>

function fakeFiles(): FileMethods {
  const files = new Map<string, Uint8Array>()
  const folders = new Set<string>(['/'])
  const makeParents = (path: string): void => {
    for (let at = path.lastIndexOf('/'); at > 0; at = path.lastIndexOf('/', at - 1)) folders.add(path.slice(0, at))
  }
  const below = (path: string): string[] => [...files.keys(), ...folders].filter((key) => key.startsWith(`${path}/`))
  return {
    readFile: async (path) => files.get(path)?.slice(),
    async writeFile(path, content, { signal }) {
      if (signal.aborted) throw abortError(signal, `write ${path}`, path)
      if (folders.has(path)) throw new InfraError('invalid', `write ${path}: EISDIR`, { subject: path })
      makeParents(path)
      files.set(path, typeof content === 'string' ? new TextEncoder().encode(content) : content.slice())
    },
    async list(path) {
      if (!folders.has(path)) return undefined
      const start = path === '/' ? 1 : path.length + 1
      const names = below(path === '/' ? '' : path).map((key) => key.slice(start).split('/')[0] ?? '')
      return [...new Set(names)].filter((name) => name !== '').sort()
    },
    async makeDirectory(path) {
      if (files.has(path)) throw new InfraError('already-exists', `make directory ${path}: EEXIST`, { subject: path })
      makeParents(`${path}/`)
    },
    async rename(from, to) {
      if (!files.has(from) && !folders.has(from))
        throw new InfraError('not-found', `rename ${from} to ${to}: ENOENT`, { subject: from })
      makeParents(to)
      for (const key of [from, ...below(from)]) {
        const target = to + key.slice(from.length)
        const content = files.get(key)
        if (content === undefined) folders.add(target)
        else files.set(target, content)
        files.delete(key)
        folders.delete(key)
      }
    },
    async remove(path) {
      for (const key of [path, ...below(path)]) {
        files.delete(key)
        folders.delete(key)
      }
    },
  }
}

/** Two ends of one connection, each with the back-pressure of a stream. */
function streamPair(): [Duplex, Duplex] {
  const make = (other: () => Duplex): Duplex =>
    new Duplex({
      read() {},
      write(chunk, _encoding, done) {
        other().push(chunk)
        done()
      },
      final(done) {
        other().push(null)
        done()
      },
    })
  const near: Duplex = make(() => far)
  const far: Duplex = make(() => near)
  return [near, far]
}
