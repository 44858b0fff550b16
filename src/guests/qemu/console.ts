/**
 * The serial console of a QEMU guest, for as many readers and writers as there are: output is followed in the log that
 * QEMU writes, input goes into a FIFO that QEMU reads. Nobody holds the line, so nobody is ever told `busy`.
 */
import { Duplex } from 'node:stream'
import { within } from '../../deadline.ts'
import { InfraError, isInfraError } from '../../errors.ts'
import type { Host } from '../../hosts/host.ts'
import type { CallOptions } from '../hypervisor.ts'
import type { GuestPaths } from './paths.ts'

/** What is read at once. */
const chunkBytes = 64 * 1024
/** How long a guest may leave its input unread before a writer is told so. */
const inputMs = 10_000
/** The log of past runs that is kept at a start. */
const keptLogBytes = 1024 * 1024

// Ends as soon as there is something to read, or the guest's process is gone. base64: a run's output is text.
const followScript =
  'tail -c "+$1" --pid="$2" -s 0.2 -f -- "$3" 2>/dev/null | dd bs="$4" count=1 status=none | base64 -w0'
// nocreat: a FIFO that is gone must not come back as a file.
const inputScript = 'exec dd of="$1" conv=nocreat,notrunc bs=4096 status=none'

/** The FIFO for input, and nowhere for output, which the log has. */
export async function makeConsole(host: Host, paths: GuestPaths, options: CallOptions): Promise<void> {
  const script = 'mkfifo -m 600 "$1" && ln -s /dev/null "$2"'
  const result = await host.run(['sh', '-c', script, 'sh', paths.consoleInput, paths.consoleOutput], options)
  if (result.code !== 0)
    throw new InfraError('failed', `make console: ${result.stderr.trim()}`, { subject: paths.consoleInput })
}

/** From the next byte that the guest prints. Ends with the guest's process; `destroy` closes it. */
export async function openConsole(host: Host, pid: number, paths: GuestPaths, options: CallOptions): Promise<Duplex> {
  const size = await host.run(['stat', '-c', '%s', '--', paths.consoleLog], options)
  const closed = new AbortController()
  const follow = follower(host, pid, paths, Number(size.stdout) || 0, closed.signal)
  const stream = new Duplex({
    read() {
      follow().then(
        (chunk) => this.push(chunk),
        (error: unknown) => this.destroy(error instanceof Error ? error : new Error(String(error))),
      )
    },
    writev(chunks, done) {
      const input = Buffer.concat(chunks.map(({ chunk }) => chunk as Buffer))
      send(host, paths, input, closed.signal).then(() => done(), done)
    },
    destroy(error, done) {
      closed.abort()
      done(error)
    },
  })
  return stream
}

/** Each call gives what was printed next; null at the end. */
function follower(
  host: Host,
  pid: number,
  paths: GuestPaths,
  offset: number,
  signal: AbortSignal,
): () => Promise<Buffer | null> {
  let at = offset
  return async () => {
    const args = [String(at + 1), String(pid), paths.consoleLog, String(chunkBytes)]
    try {
      const { stdout } = await host.run(['sh', '-c', followScript, 'sh', ...args], { signal })
      const chunk = Buffer.from(stdout, 'base64')
      at += chunk.length
      return chunk.length === 0 ? null : chunk
    } catch (error) {
      if (signal.aborted) return null
      throw error
    }
  }
}

async function send(host: Host, paths: GuestPaths, input: Uint8Array, closed: AbortSignal): Promise<void> {
  const signal = within(closed, inputMs)
  try {
    const result = await host.run(['sh', '-c', inputScript, 'sh', paths.consoleInput], { signal, input })
    if (result.code === 0) return
    throw new InfraError('unreachable', `write to the console: ${result.stderr.trim()}`, {
      subject: paths.consoleInput,
    })
  } catch (error) {
    if (closed.aborted) return
    if (!isInfraError(error, 'timeout')) throw error
    throw new InfraError('timeout', 'the guest does not read its console', { subject: paths.consoleInput })
  }
}

/** The newest `maxBytes`; '' before the first start. */
export async function readConsoleLog(
  host: Host,
  paths: GuestPaths,
  { maxBytes, ...options }: CallOptions & { readonly maxBytes: number },
): Promise<string> {
  const result = await host.run(['tail', '-c', String(Math.max(0, maxBytes)), '--', paths.consoleLog], options)
  // A cut may go through a character of several bytes: its rest is dropped, so that the text is never longer.
  return result.stdout.replace(/^\uFFFD+/, '')
}

/** Keeps the end of a long log. Before a start: QEMU only appends. */
export async function trimConsoleLog(host: Host, paths: GuestPaths, options: CallOptions): Promise<void> {
  const script =
    'size=$(stat -c %s -- "$1" 2>/dev/null || echo 0); [ "$size" -le "$2" ] || { tail -c "$2" -- "$1" > "$1.new" && mv -- "$1.new" "$1"; }'
  const result = await host.run(['sh', '-c', script, 'sh', paths.consoleLog, String(keptLogBytes)], options)
  if (result.code !== 0)
    throw new InfraError('failed', `trim ${paths.consoleLog}: ${result.stderr.trim()}`, { subject: paths.consoleLog })
}
