/** Locks on a host over SSH: each held by a session that lives as long as its holder here. */
import type { Host } from '../host.ts'
import { abortError } from '../local/failures.ts'
import { fileError } from './files.ts'
import { lostError, type Remote, runOwn } from './processes.ts'
import type { Sessions } from './sessions.ts'
import { parseBeginning, sayGroup, shellLine } from './shell.ts'

/**
 * Holds the lock of flock(2) as long as its standard input is open, which ends with us or the connection. A lock counts
 * only while the path still names the locked file: see `lockFile` of this machine.
 */
const lockScript = `
path=$1
mkdir -p -- "\${path%/*}/" || exit 1
while :; do
  (umask 077; : >>"$path") || exit 1
  exec 9>>"$path" || exit 1
  flock 9 || exit 1
  [ "$(stat -c %d:%i -- "$path" 2>/dev/null)" = "$(stat -L -c %d:%i /proc/self/fd/9)" ] && break
done
printf 'locked\\n'
exec cat >/dev/null`

/** `sessions` are for locks alone: who waits for one must not keep its holder from working. */
export function remoteLocks(remote: Remote, sessions: Sessions): Host['lock'] {
  /** Of those in this process that want the same lock only one asks the host. */
  const queues = new Map<string, Promise<void>>()
  return async (path, { signal }) => {
    const what = `lock ${path} on ${remote.name}`
    const before = queues.get(path) ?? Promise.resolve()
    let release = (): void => {}
    const mine = new Promise<void>((resolve) => {
      release = resolve
    })
    const tail = before.then(() => mine)
    queues.set(path, tail)
    void tail.then(() => queues.get(path) === tail && queues.delete(path))
    try {
      await unlessAborted(before, signal, what, remote.name)
      const unlock = await holdLock(remote, sessions, path, what, signal)
      return {
        async [Symbol.asyncDispose]() {
          await unlock()
          release()
        },
      }
    } catch (error) {
      release()
      throw error
    }
  }
}

async function holdLock(
  remote: Remote,
  sessions: Sessions,
  path: string,
  what: string,
  signal: AbortSignal,
): Promise<() => Promise<void>> {
  const line = shellLine(`${sayGroup}\nexport LC_ALL=C\n${lockScript}`, [path], remote.sudo)
  return new Promise<() => Promise<void>>((resolve, reject) => {
    const held = sessions.run(line, what, signal, async ({ channel, ended }, lost) => {
      let out = ''
      let errors = ''
      const onAbort = (): void => {
        // The script waits in flock(1), deaf to the end of its input: it is ended by its group.
        const begun = parseBeginning(Buffer.from(out))?.beginning
        if (typeof begun === 'object')
          void runOwn(remote, 'kill -s KILL -- "-$1"', [String(begun.group)], 'end a wait', {
            signal: AbortSignal.timeout(10_000),
          }).catch(() => undefined)
        channel.close()
        reject(abortError(signal, what, remote.name))
      }
      channel.on('data', (chunk: Buffer) => {
        out += chunk.toString()
        if (!out.includes('locked\n')) return
        signal.removeEventListener('abort', onAbort)
        resolve(async () => {
          channel.end()
          await ended
        })
      })
      channel.stderr.on('data', (chunk: Buffer) => {
        errors += chunk.toString()
      })
      signal.addEventListener('abort', onAbort, { once: true })
      if (signal.aborted) onAbort()
      await ended
      signal.removeEventListener('abort', onAbort)
      if (errors.trim() === '') throw lostError(what, remote.name, lost())
      throw fileError(errors, what, remote, path)
    })
    held.catch(reject) // after the lock was held this changes nothing
  })
}

async function unlessAborted(wait: Promise<void>, signal: AbortSignal, what: string, subject: string): Promise<void> {
  if (signal.aborted) throw abortError(signal, what, subject)
  let onAbort = (): void => {}
  try {
    await Promise.race([
      wait,
      new Promise<never>((_, reject) => {
        onAbort = () => reject(abortError(signal, what, subject))
        signal.addEventListener('abort', onAbort, { once: true })
      }),
    ])
  } finally {
    signal.removeEventListener('abort', onAbort)
  }
}
