/** The Host port on the lab's Dom0, over its agent: each call is a TCP connection, and ends with it. */
import { connect, type Socket } from 'node:net'
import type { Duplex } from 'node:stream'
import { setTimeout as sleep } from 'node:timers/promises'
import { InfraError } from '../../src/errors.ts'
import type { CallOptions, Host, HostFacts, RunOptions, RunResult } from '../../src/hosts/host.ts'
import { abortError, asInfraError } from '../../src/hosts/local/failures.ts'

const directories = { runtime: '/run/baton', state: '/var/lib/baton', cache: '/var/cache/baton' }

export function agentHost(port: number): Host {
  const run: Host['run'] = (command, options) => runOver(port, command, options)
  const script = async (
    what: string,
    path: string,
    text: string,
    args: readonly string[],
    options: CallOptions & Partial<RunOptions>,
  ): Promise<RunResult> => {
    const result = await run(['sh', '-c', text, 'sh', ...args], options)
    if (result.code !== 0) throw failure(`${what} ${path}`, path, result)
    return result
  }
  return {
    name: 'dom0',
    directories,
    run,
    facts: (options) => facts(run, options),
    async spawn(command, options) {
      const [program = ''] = command
      const words = Object.entries(options.environment ?? {}).map(([key, value]) => `${key}=${value}`)
      const args = [program, options.logFile ?? '/dev/null', ...words, ...command]
      const result = await run(['sh', '-c', spawnScript, 'sh', ...args], options)
      if (result.code === 127) throw new InfraError('missing-tool', `${program} is not installed`, { subject: program })
      return Number(result.stdout)
    },
    async readFile(path, options) {
      const result = await run(['sh', '-c', '[ ! -e "$1" ] || exec base64 -w0 -- "$1"', 'sh', path], options)
      if (result.code !== 0) throw failure(`read ${path}`, path, result)
      return result.stdout === '' && (await run(['test', '-e', path], options)).code !== 0
        ? undefined
        : Buffer.from(result.stdout, 'base64')
    },
    async writeFile(path, content, options) {
      const mode = (options.mode ?? 0o644).toString(8)
      await script('write', path, writeScript, [path, mode], { ...options, input: content })
    },
    async list(path, options) {
      const { stdout } = await run(['sh', '-c', 'cd "$1" 2> /dev/null || exit 0; echo .; ls -A', 'sh', path], options)
      return stdout === '' ? undefined : stdout.split('\n').slice(1, -1).sort()
    },
    async makeDirectory(path, options) {
      const mode = options.mode === undefined ? [] : ['-m', options.mode.toString(8)]
      const result = await run(['mkdir', '-p', ...mode, '--', path], options)
      if (result.code !== 0) throw failure(`make directory ${path}`, path, result)
    },
    async rename(from, to, options) {
      await script('rename', from, 'mv -T -f -- "$1" "$2"', [from, to], options)
    },
    async remove(path, options) {
      await script('remove', path, 'rm -rf -- "$1"', [path], options)
    },
    connect: (path, options) => connectOver(port, path, options),
    lock: (path, options) => lockOver(port, path, options),
    async signal(pid, signal, options) {
      const name = signal === 0 ? '0' : signal.slice(3)
      return (await run(['sh', '-c', 'kill -s "$1" "$2"', 'sh', name, String(pid)], options)).code === 0
    },
    widenBacklog: async () => 0,
  }
}

const spawnScript = `program=$1 log=$2; shift 2; command -v "$program" > /dev/null || exit 127
setsid env "$@" < /dev/null >> "$log" 2>&1 &
echo $!`

const writeScript = `set -e
mkdir -p -- "$(dirname -- "$1")"
new=$(mktemp -- "$(dirname -- "$1")/.new.XXXXXX")
cat > "$new" && chmod "$2" -- "$new" && mv -T -- "$new" "$1"`

/** Held for as long as the connection stands; a file that the holder before has removed is not the lock any more. */
const lockScript = `mkdir -p -- "$(dirname -- "$1")"
while :; do
  exec 9>> "$1"
  flock 9
  [ "$(stat -L -c %i /proc/self/fd/9)" = "$(stat -c %i -- "$1" 2> /dev/null)" ] && break
done
echo locked
exec cat`

function failure(what: string, subject: string, { stderr }: RunResult): InfraError {
  const code = /No such file/.test(stderr) ? 'not-found' : /No space left/.test(stderr) ? 'no-space' : 'failed'
  return new InfraError(code, `${what}: ${stderr.trim()}`, { subject })
}

/** How long the agent may take to answer a connection. */
const greetingMs = 20_000

const hexOf = (text: string): string => Buffer.from(text).toString('hex')

/** QEMU's user network drops connections when many come at once: until the agent has said +, nothing was asked of it. */
async function open(port: number, request: readonly string[], what: string, { signal }: CallOptions): Promise<Socket> {
  for (let waitMs = 20; ; waitMs = Math.min(waitMs * 2, 1000)) {
    if (signal.aborted) throw abortError(signal, what, 'dom0')
    const socket = connect({ port, host: '127.0.0.1', allowHalfOpen: true, noDelay: true })
    if (await isGreeted(socket)) {
      const [kind = '', ...words] = request
      socket.write(`${[kind, ...words.map(hexOf)].join(' ')}\n`)
      return socket
    }
    socket.destroy()
    await sleep(waitMs) // then it is asked again, until the caller's patience ends
  }
}

async function isGreeted(socket: Socket): Promise<boolean> {
  return new Promise((resolve) => {
    const look = (): void => {
      if (socket.read(1) === null) return
      socket.off('readable', look)
      socket.setTimeout(0)
      resolve(true)
    }
    socket.on('readable', look)
    socket.setTimeout(greetingMs, () => resolve(false))
    socket.on('error', () => resolve(false))
    socket.once('end', () => resolve(false))
    socket.once('close', () => resolve(false))
  })
}

type Frame = { readonly kind: string; readonly bytes: Buffer }

/** Frames as they come; what follows the first one when `onlyOne` stays in the socket. */
async function* frames(socket: Socket): AsyncGenerator<Frame> {
  let held = Buffer.alloc(0)
  for await (const chunk of socket.iterator({ destroyOnReturn: false })) {
    held = Buffer.concat([held, chunk as Buffer])
    while (held.length >= 5 && held.length >= 5 + held.readUInt32BE(1)) {
      const end = 5 + held.readUInt32BE(1)
      const frame = { kind: held.toString('latin1', 0, 1), bytes: held.subarray(5, end) }
      held = held.subarray(end)
      yield frame
    }
  }
  if (held.length > 0) throw new Error('the agent ended in the middle of an answer')
}

async function runOver(port: number, command: readonly string[], options: RunOptions): Promise<RunResult> {
  const [program = ''] = command
  const what = `run ${program}`
  const { signal, environment = {}, directory } = options
  const words = Object.entries(environment).map(([key, value]) => `${key}=${value}`)
  const inside = directory === undefined ? [] : ['sh', '-c', 'cd -- "$0" && exec "$@"', directory]
  const around = words.length === 0 ? inside : ['env', ...words, ...inside]
  const socket = await open(port, ['run', ...around, ...command], what, options)
  const onAbort = (): void => void socket.resetAndDestroy()
  signal.addEventListener('abort', onAbort, { once: true })
  socket.on('error', () => undefined)
  socket.end(options.input ?? '')
  const output: Record<string, Buffer[]> = { o: [], e: [] }
  try {
    for await (const { kind, bytes } of frames(socket)) {
      if (kind === 'm') throw new InfraError('missing-tool', `${program} is not installed`, { subject: program })
      if (kind === 'e') options.onStderr?.(bytes.toString())
      if (kind !== 'x') output[kind]?.push(bytes)
      else {
        const [stdout = '', stderr = ''] = [output['o'], output['e']].map((list) =>
          Buffer.concat(list ?? []).toString(),
        )
        return { code: Number(bytes.toString()), stdout, stderr }
      }
    }
    throw new InfraError('unreachable', `${what}: the connection ended`, { subject: 'dom0', retryable: true })
  } catch (error) {
    throw signal.aborted ? abortError(signal, what, program) : asInfraError(error, what, program, signal)
  } finally {
    signal.removeEventListener('abort', onAbort)
    socket.destroy()
  }
}

async function connectOver(port: number, path: string, options: CallOptions): Promise<Duplex> {
  const what = `connect to ${path}`
  const socket = await open(port, ['connect', path], what, options)
  const head = await new Promise<Buffer>((resolve, reject) => {
    socket.once('error', reject)
    const look = (): void => {
      const bytes = socket.read(5) as Buffer | null
      if (bytes === null) return
      socket.off('readable', look)
      resolve(bytes)
    }
    socket.on('readable', look)
  })
  if (head.toString('latin1', 0, 1) === 'y') return socket
  socket.destroy()
  const isThere = (await runOver(port, ['test', '-e', path], options)).code === 0
  throw new InfraError(isThere ? 'unreachable' : 'not-found', what, { subject: path, retryable: isThere })
}

async function lockOver(port: number, path: string, options: CallOptions): Promise<AsyncDisposable> {
  const what = `lock ${path}`
  const { signal } = options
  const socket = await open(port, ['run', 'sh', '-c', lockScript, 'sh', path], what, options)
  const onAbort = (): void => void socket.resetAndDestroy()
  signal.addEventListener('abort', onAbort, { once: true })
  socket.on('error', () => undefined)
  const answers = frames(socket)
  try {
    const { value } = await answers.next()
    if (value === undefined || value.kind !== 'o') throw new Error(value?.bytes.toString() ?? 'the connection ended')
  } catch (error) {
    socket.destroy()
    throw asInfraError(error, what, path, signal)
  } finally {
    signal.removeEventListener('abort', onAbort)
  }
  return {
    async [Symbol.asyncDispose]() {
      socket.end()
      for await (const _rest of answers) {
        // Until it says how it ended: then the lock is free.
      }
      socket.destroy()
    },
  }
}

const factsScript = `. /etc/os-release; echo "$(hostname)"; uname -m; uname -r; echo "$ID"; echo "$VERSION_ID"
sed -n 's/^MemTotal: *\\([0-9]*\\) kB/\\1/p; s/^MemAvailable: *\\([0-9]*\\) kB/\\1/p' /proc/meminfo
nproc; cat /proc/sys/kernel/random/boot_id; sed -n 's/^flags[^:]*: *//p;T;q' /proc/cpuinfo`

async function facts(run: Host['run'], options: CallOptions): Promise<HostFacts> {
  const { stdout } = await run(['sh', '-c', factsScript], options)
  const [
    hostname = '',
    architecture = '',
    kernel = '',
    id = '',
    version = '',
    total,
    available,
    cpus,
    bootId = '',
    flags = '',
  ] = stdout.split('\n')
  return {
    hostname,
    architecture,
    kernel,
    distribution: { id, version },
    memoryBytes: Number(total) * 1024,
    availableMemoryBytes: Number(available) * 1024,
    cpus: Number(cpus),
    cpuFlags: flags.split(' '),
    isRoot: true,
    bootId,
  }
}
