/** One SSH connection: opened to a host that was proved to be the right one, and known to be lost as soon as it is. */
import { spawn } from 'node:child_process'
import { connect, type Socket } from 'node:net'
import { Duplex } from 'node:stream'
import ssh2, { type ClientChannel } from 'ssh2'
import { within } from '../../deadline.ts'
import { InfraError } from '../../errors.ts'
import { abortError, asInfraError } from '../local/failures.ts'
import { knownHost } from './host-key.ts'
import { prepareLogin } from './login.ts'
import type { SshSettings } from './settings.ts'

/** How a command ended: its code, or the signal that killed it. */
export type Exit = { readonly code: number | null; readonly signalName?: string }

export type Session = {
  readonly channel: ClientChannel
  /** undefined: its session ended without a word, as when the connection is lost. */
  readonly ended: Promise<Exit | undefined>
}

export type SshConnection = {
  /** Why it is gone; undefined while it stands. */
  readonly lost: () => Error | undefined
  /** @throws InfraError `busy` when the host allows no further session, `unreachable` when the connection is gone. */
  exec(command: string): Promise<Session>
  /** A stream to a unix socket (direct-streamlocal@openssh.com). @throws Error of the library: see `channelRefusal`. */
  forward(path: string): Promise<Session>
  /** The connection keeps the process alive while something uses it, and no longer. */
  use(): Disposable
  close(): void
}

const connectMs = 30_000
/** A host that says nothing for so long is asked whether it is there, by TCP. */
const keepAliveMs = 10_000

/** @throws InfraError `unreachable`, `permission` (its key, or ours), `timeout`, `cancelled`. */
export async function openConnection(
  name: string,
  settings: SshSettings,
  { signal }: { readonly signal: AbortSignal },
): Promise<SshConnection> {
  const what = `connect to ${name}`
  const soon = within(signal, connectMs)
  if (soon.aborted) throw abortError(soon, what, name)
  const [host, login] = await Promise.all([knownHost(settings), prepareLogin(settings)])
  const line = settings.proxy === undefined ? await dial(settings, what, soon) : throughProxy(settings.proxy)
  const client = new ssh2.Client()
  let refusal: unknown
  let lost: Error | undefined
  try {
    await new Promise<void>((resolve, reject) => {
      const onAbort = (): void => reject(abortError(soon, what, name))
      soon.addEventListener('abort', onAbort, { once: true })
      client.once('ready', () => {
        soon.removeEventListener('abort', onAbort)
        resolve()
      })
      client.on('error', (error) => {
        lost ??= error
        reject(error)
      })
      client.on('close', () => {
        lost ??= new Error(line.reason() ?? 'the connection was closed')
        reject(lost)
      })
      client.connect({
        sock: line.stream,
        username: settings.user,
        readyTimeout: 0,
        algorithms: { serverHostKey: [...host.algorithms] as never },
        authHandler: login.handler,
        hostVerifier: (key: Buffer, verify: (isRight: boolean) => void) => {
          host.judge(key).then(
            () => verify(true),
            (error: unknown) => {
              refusal = error
              verify(false)
            },
          )
        },
      })
    })
  } catch (error) {
    client.destroy()
    line.destroy()
    throw openingError(refusal ?? error, what, settings, login.notes)
  }
  let users = 0
  line.unref()
  return {
    lost: () => lost,
    exec: (command) => session((done) => client.exec(command, done)),
    forward: (path) => session((done) => client.openssh_forwardOutStreamLocal(path, done)),
    use() {
      if (users++ === 0) line.ref()
      return { [Symbol.dispose]: () => void (--users === 0 && line.unref()) }
    },
    close() {
      lost ??= new Error('closed')
      client.end()
      line.destroy()
    },
  }
}

/** Listens from the very call that hands the channel over: its end may be in the same bytes as its beginning. */
function session(begin: (done: (error: Error | undefined, channel: ClientChannel) => void) => void): Promise<Session> {
  return new Promise((resolve, reject) => {
    begin((error, channel) => {
      if (error !== undefined && error !== null) return reject(error)
      let exit: Exit | undefined
      channel.on('error', () => {}) // what it means is told by the close that follows
      channel.on('exit', (code: number | null, signalName?: string) => {
        exit = { code, ...(signalName === undefined ? {} : { signalName }) }
      })
      const ended = new Promise<Exit | undefined>((close) => channel.once('close', () => close(exit)))
      resolve({ channel, ended })
    })
  })
}

type Line = {
  readonly stream: Duplex
  readonly ref: () => void
  readonly unref: () => void
  readonly destroy: () => void
  /** What a proxy said on its standard error. */
  readonly reason: () => string | undefined
}

async function dial({ host, port }: SshSettings, what: string, signal: AbortSignal): Promise<Line> {
  const socket = connect({ host, port, noDelay: true, keepAlive: true, keepAliveInitialDelay: keepAliveMs })
  await new Promise<void>((resolve, reject) => {
    const onAbort = (): void => {
      socket.destroy()
      reject(abortError(signal, what, host))
    }
    signal.addEventListener('abort', onAbort, { once: true })
    socket.once('connect', () => {
      signal.removeEventListener('abort', onAbort)
      socket.removeAllListeners('error')
      resolve()
    })
    socket.once('error', (error) => {
      signal.removeEventListener('abort', onAbort)
      const { code, message } = asInfraError(error, what, host, signal)
      const isGone = code === 'failed' || code === 'unreachable'
      reject(
        new InfraError(isGone ? 'unreachable' : code, message, {
          subject: host,
          cause: error,
          retryable: true,
          hint: `see whether sshd answers at ${host} port ${port}`,
        }),
      )
    })
  })
  return {
    stream: socket,
    ref: () => void socket.ref(),
    unref: () => void socket.unref(),
    destroy: () => void socket.destroy(),
    reason: () => undefined,
  }
}

function throughProxy([program = '', ...args]: readonly string[]): Line {
  const child = spawn(program, args, { stdio: ['pipe', 'pipe', 'pipe'] })
  let said = ''
  child.stderr.on('data', (chunk: Buffer) => {
    said = `${said}${chunk.toString()}`.slice(-2000)
  })
  child.stdin.on('error', () => {}) // a proxy that ends is heard of at its output
  child.on('error', (error) => child.stdout.destroy(error))
  const stream = Duplex.from({ readable: child.stdout, writable: child.stdin })
  const pipes = [child.stdin, child.stdout, child.stderr] as unknown as readonly Socket[]
  return {
    stream,
    ref: () => [child, ...pipes].forEach((handle) => void handle.ref()),
    unref: () => [child, ...pipes].forEach((handle) => void handle.unref()),
    destroy() {
      stream.on('error', () => {}).destroy()
      child.kill()
    },
    reason: () => (said === '' ? undefined : `${program}: ${said.trim()}`),
  }
}

function openingError(error: unknown, what: string, settings: SshSettings, notes: readonly string[]): InfraError {
  const { host, user } = settings
  if (error instanceof InfraError) return error
  const message = error instanceof Error ? error.message : String(error)
  if (/authentication methods failed/i.test(message))
    return new InfraError('permission', `${what}: none of the keys was taken for user ${user}`, {
      subject: host,
      cause: error,
      hint: [`ssh-copy-id ${user}@${host}, or load the right key with ssh-add`, ...notes].join('; '),
    })
  return new InfraError('unreachable', `${what}: ${message}`, { subject: host, cause: error, retryable: true })
}
