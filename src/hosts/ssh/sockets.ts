/** Unix sockets of a host over SSH: forwarded by its sshd, or by socat(1) as root where the user may not open them. */
import type { Duplex } from 'node:stream'
import type { ClientChannel } from 'ssh2'
import { InfraError } from '../../errors.ts'
import type { CallOptions } from '../host.ts'
import { abortError } from '../local/failures.ts'
import { throwIfTooLong } from '../socket-path.ts'
import { type Remote, runOwn } from './processes.ts'
import { shellLine } from './shell.ts'

export async function connectSocket(remote: Remote, path: string, { signal }: CallOptions): Promise<Duplex> {
  const what = `connect to ${path} on ${remote.name}`
  if (signal.aborted) throw abortError(signal, what, path)
  throwIfTooLong(path, what)
  const opening = forward(remote, path, what, signal)
  return new Promise((resolve, reject) => {
    const onAbort = (): void => {
      reject(abortError(signal, what, path))
      opening.then(
        (late) => late.destroy(),
        () => undefined,
      )
    }
    signal.addEventListener('abort', onAbort, { once: true })
    opening.then(resolve, reject).finally(() => signal.removeEventListener('abort', onAbort))
  })
}

async function forward(remote: Remote, path: string, what: string, signal: AbortSignal): Promise<Duplex> {
  try {
    return await remote.sessions.forward(path, what, signal)
  } catch (error) {
    if (error instanceof InfraError) throw error
    const found = await look(remote, path, what, signal)
    if (found === 'answers') return relay(remote, path, what, signal)
    throw refusal(found, remote, path, what, error)
  }
}

/**
 * sshd says no more than that it could not: so we look why. `answers`: root reaches it through socat where the user does
 * not.
 */
const lookScript = String.raw`
[ -e "$1" ] || { echo absent; exit; }
[ -S "$1" ] || { echo no-socket; exit; }
if [ "$2" = sudo ]; then
  command -v socat >/dev/null 2>&1 || { echo no-socat; exit; }
  socat -u OPEN:/dev/null "UNIX-CONNECT:$1" 2>/dev/null && echo answers || echo silent
elif [ -w "$1" ]; then echo silent
else echo forbidden; fi`

type Found = 'absent' | 'no-socket' | 'no-socat' | 'answers' | 'silent' | 'forbidden'

async function look(remote: Remote, path: string, what: string, signal: AbortSignal): Promise<Found> {
  const args = [path, remote.sudo ? 'sudo' : '']
  const { stdout } = await runOwn(remote, lookScript, args, what, { signal })
  return stdout.toString().trim() as Found
}

function refusal(found: Found, { name }: Remote, path: string, what: string, cause: unknown): InfraError {
  const error = (code: InfraError['code'], words: string, hint?: string): InfraError =>
    new InfraError(code, `${what}: ${words}`, {
      subject: path,
      cause,
      retryable: code === 'unreachable',
      ...(hint === undefined ? {} : { hint }),
    })
  const detail = cause instanceof Error ? cause.message : ''
  if (/prohibited/i.test(detail))
    return error(
      'unsupported',
      'its sshd forwards no sockets',
      `set AllowStreamLocalForwarding yes in the sshd_config of ${name}`,
    )
  switch (found) {
    case 'absent':
      return error('not-found', 'there is no such file')
    case 'forbidden':
      return error('permission', 'this user may not open it', 'log in as root, or with sudo')
    case 'no-socat':
      return error(
        'missing-tool',
        'root reaches it by socat, which is not installed',
        'install the package socat there',
      )
    default:
      return error('unreachable', 'nobody listens')
  }
}

/** A long -t: what the other side still says after our end is waited for. */
async function relay(remote: Remote, path: string, what: string, signal: AbortSignal): Promise<ClientChannel> {
  const script = 'exec socat -t 86400 - "UNIX-CONNECT:$1"'
  return new Promise((resolve, reject) => {
    remote.sessions
      .run(shellLine(script, [path], true), what, signal, async ({ channel, ended }) => {
        resolve(channel)
        await ended
      })
      .catch(reject)
  })
}
