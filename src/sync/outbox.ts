/** What a master is about to say: records gathered into messages, each sent when it is full or has waited for long enough. Pure. */
import type { PortableConnection } from '../lvs/portable-connection.ts'
import { SyncWriter } from '../wire/ipvs-sync.ts'
import { recordOf } from './records.ts'

/** In milliseconds. The kernel lets records wait for two seconds: those are what a backup lacks when its master dies. */
export const flushMs = 100

export class Outbox {
  readonly #writer: SyncWriter
  #full: Uint8Array[] = []
  records = 0

  /** `maxLength`: bytes of a message. */
  constructor(syncId: number, maxLength: number) {
    this.#writer = new SyncWriter(syncId, maxLength)
  }

  /** Records that are too long for any message. */
  get leftOut(): number {
    return this.#writer.leftOut
  }

  get isEmpty(): boolean {
    return this.#full.length === 0 && this.#writer.isEmpty
  }

  put(connections: readonly PortableConnection[]): void {
    const before = this.#writer.leftOut
    for (const connection of connections) {
      const full = this.#writer.add(recordOf(connection))
      if (full !== undefined) this.#full.push(full)
    }
    this.records += connections.length - (this.#writer.leftOut - before)
  }

  /** The messages that are full; with `isAll` also the one that is not. */
  take(isAll: boolean): Uint8Array[] {
    const rest = isAll ? this.#writer.take() : undefined
    const out = rest === undefined ? this.#full : [...this.#full, rest]
    this.#full = []
    return out
  }
}
