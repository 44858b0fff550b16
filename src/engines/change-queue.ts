/**
 * Connections that backups are to be told of, until somebody fetches them. Each stands in it once, as it is last known. When
 * it is full, those that are not in it yet are counted, and dropped, as the kernel drops what its queue has no room for.
 */
import { type PortableConnection, portableKey } from '../lvs/portable-connection.ts'
import type { ChangedConnections } from './engine.ts'

export const changesAtOnce = 65_536

export class ChangeQueue {
  readonly #limit: number
  #waiting = new Map<string, PortableConnection>()
  #dropped = 0
  isClosed = false
  #wake: () => void = () => {}

  constructor(limit: number = changesAtOnce) {
    this.#limit = limit
  }

  put(connection: PortableConnection): void {
    const key = portableKey(connection)
    if (this.#waiting.has(key) || this.#waiting.size < this.#limit) this.#waiting.set(key, connection)
    else this.#dropped += 1
    this.#wake()
  }

  close(): void {
    this.isClosed = true
    this.#wake()
  }

  /** What has come since the last batch, as soon as there is something; ends when it is closed or the signal aborted. */
  batches(signal: AbortSignal): AsyncIterable<ChangedConnections> {
    const close = (): void => this.close()
    signal.addEventListener('abort', close, { once: true })
    if (signal.aborted) this.close()
    return this.#until(() => signal.removeEventListener('abort', close))
  }

  async *#until(forget: () => void): AsyncIterable<ChangedConnections> {
    try {
      while (!this.isClosed) {
        if (this.#waiting.size > 0) yield this.#take()
        else await new Promise<void>((resolve) => (this.#wake = resolve))
      }
    } finally {
      forget()
      this.close()
    }
  }

  #take(): ChangedConnections {
    const batch = { connections: [...this.#waiting.values()], dropped: this.#dropped }
    this.#waiting = new Map()
    this.#dropped = 0
    return batch
  }
}
