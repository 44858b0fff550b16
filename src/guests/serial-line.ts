/**
 * The console of a guest, for as many readers and writers as there are: output is followed in the log that the
 * hypervisor writes, input goes into a FIFO or terminal that it reads. Nobody holds the line, so nobody is ever told `busy`.
 */
import { Duplex } from 'node:stream'
import { within } from '../deadline.ts'
import { InfraError, isInfraError } from '../errors.ts'
import type { Host } from '../hosts/host.ts'
import type { CallOptions } from './hypervisor.ts'

/** Paths on the guest's host. */
export type SerialLine = {
  readonly log: string
  readonly input: string
  /** There for as long as the guest lives: its process, its terminal. */
  readonly alive: string
}

/** What is read at once. */
const chunkBytes = 64 * 1024
/** How long a guest may leave its input unread before a writer is told so. */
const inputMs = 10_000

// Ends as soon as there is something to read, or the guest is gone. base64: a run's output is text.
const followScript = `while [ -e "$2" ]; do sleep 0.2; done & watcher=$!
tail -c "+$1" --pid="$watcher" -s 0.2 -f -- "$3" 2>/dev/null | dd bs="$4" count=1 status=none | base64 -w0
kill "$watcher" 2>/dev/null; exit 0`
// nocreat: an input that is gone must not come back as a file.
const inputScript = 'exec dd of="$1" conv=nocreat,notrunc bs=4096 status=none'

/** From the next byte that the guest prints. Ends with the guest; `destroy` closes it. */
export async function openSerialLine(host: Host, line: SerialLine, options: CallOptions): Promise<Duplex> {
  const size = await host.run(['stat', '-c', '%s', '--', line.log], options)
  const closed = new AbortController()
  const follow = follower(host, line, Number(size.stdout) || 0, closed.signal)
  const stream = new Duplex({
    read() {
      follow().then(
        (chunk) => this.push(chunk),
        (error: unknown) => this.destroy(error instanceof Error ? error : new Error(String(error))),
      )
    },
    writev(chunks, done) {
      const input = Buffer.concat(chunks.map(({ chunk }) => chunk as Buffer))
      send(host, line, input, closed.signal).then(() => done(), done)
    },
    destroy(error, done) {
      closed.abort()
      done(error)
    },
  })
  return stream
}

/** Each call gives what was printed next; null at the end. */
function follower(host: Host, line: SerialLine, offset: number, signal: AbortSignal): () => Promise<Buffer | null> {
  let at = offset
  return async () => {
    const args = [String(at + 1), line.alive, line.log, String(chunkBytes)]
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

async function send(host: Host, line: SerialLine, input: Uint8Array, closed: AbortSignal): Promise<void> {
  const signal = within(closed, inputMs)
  try {
    const result = await host.run(['sh', '-c', inputScript, 'sh', line.input], { signal, input })
    if (result.code === 0) return
    throw new InfraError('unreachable', `write to the console: ${result.stderr.trim()}`, { subject: line.input })
  } catch (error) {
    if (closed.aborted) return
    if (!isInfraError(error, 'timeout')) throw error
    throw new InfraError('timeout', 'the guest does not read its console', { subject: line.input })
  }
}

/** The newest `maxBytes` of a log; '' before the first start. */
export async function readLogEnd(
  host: Host,
  log: string,
  { maxBytes, ...options }: CallOptions & { readonly maxBytes: number },
): Promise<string> {
  const result = await host.run(['tail', '-c', String(Math.max(0, maxBytes)), '--', log], options)
  // A cut may go through a character of several bytes: its rest is dropped, so that the text is never longer.
  return result.stdout.replace(/^\uFFFD+/, '')
}
