/** Joins two sockets: what comes from one goes to the other, with back-pressure, until both have ended. */
import type { Socket } from 'node:net'

/** Bytes that may wait in this process for each side. */
export const bufferBytes = 256 * 1024

export type SpliceEvents = {
  /** Bytes that came, from `a` or from `b`. */
  readonly moved: (from: 'a' | 'b', bytes: number) => void
  /** One side has ended; the other may still send. */
  readonly halfClosed: () => void
  /** Both are closed: in good order, or because one broke and the other was broken, too. */
  readonly ended: () => void
}

/** Both sockets must have been opened with `allowHalfOpen`. */
export function splice(a: Socket, b: Socket, events: SpliceEvents): void {
  let isEnded = false
  const end = (): void => {
    if (isEnded || !a.closed || !b.closed) return
    isEnded = true
    events.ended()
  }
  for (const [from, to, name] of [
    [a, b, 'a'],
    [b, a, 'b'],
  ] as const) {
    from.on('error', () => breakOff(to))
    from.once('close', () => {
      // Gone without having ended: a cut transfer must not look complete.
      if (!from.readableEnded) breakOff(to)
      end()
    })
    from.on('data', (chunk: Buffer) => {
      events.moved(name, chunk.length)
      if (!to.write(chunk)) from.pause()
    })
    to.on('drain', () => from.resume())
    const ended = (): void => {
      events.halfClosed()
      to.end()
    }
    // It may have ended before it was joined: an end is told even while a socket is paused.
    if (from.readableEnded) ended()
    else from.once('end', ended)
    from.resume()
  }
}

/**
 * Node resets a socket only once all that it holds is written, and never one whose FIN is under way or that speaks TLS:
 * such a one is closed instead.
 */
export function breakOff(socket: Socket): void {
  const isBusy = socket.connecting || socket.writableLength > 0 || socket.writableEnded || 'encrypted' in socket
  if (isBusy) socket.destroy()
  else socket.resetAndDestroy()
}
