/** The backup's side: what its masters say goes into the engine, little by little, so that everybody else has his turn. */
import { setImmediate as turn } from 'node:timers/promises'
import type { Engine } from '../engines/engine.ts'
import { describeError } from '../errors.ts'
import type { PortableConnection } from '../lvs/portable-connection.ts'
import { decodeSync } from '../wire/ipvs-sync.ts'
import type { Handful } from './inbox.ts'
import type { SyncLink } from './link.ts'
import { received } from './records.ts'
import { noRecordsRefused, type RecordRefusal } from './refusals.ts'

export type BackupOptions = {
  readonly engine: Pick<Engine, 'takeConnections' | 'info'>
  readonly link: Pick<SyncLink, 'request' | 'taken'>
}

const atOnce = 256
/** So many times it asks a master for all, so far apart; the kernel's masters never answer. */
const mostRequests = 6
const betweenRequestsMs = 5000
const takeMs = 10_000

export class Backup implements AsyncDisposable {
  readonly #options: BackupOptions
  readonly #end = new AbortController()
  #last: Promise<void> = Promise.resolve()
  #timer: NodeJS.Timeout | undefined
  #requests = 0
  records = 0
  waiting = 0
  readonly recordsRefused: Record<RecordRefusal, number> = { ...noRecordsRefused }
  transfer: 'asked' | 'had' | 'unanswered' = 'asked'
  trouble: string | undefined

  private constructor(options: BackupOptions) {
    this.#options = options
  }

  /** Asks for all that stands at the master. */
  static start(options: BackupOptions): Backup {
    const backup = new Backup(options)
    backup.#ask()
    return backup
  }

  /** The link hands over no more before these are taken. */
  take(handful: Handful): void {
    this.#last = this.#takeAll(handful).finally(() => {
      if (!this.#end.signal.aborted) void this.#options.link.taken().catch(() => undefined)
    })
  }

  /** A master has told all. */
  complete(): void {
    this.transfer = 'had'
    clearTimeout(this.#timer)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#end.abort()
    clearTimeout(this.#timer)
    await this.#last
  }

  #ask(): void {
    if (this.#requests === mostRequests) {
      this.transfer = 'unanswered'
      return
    }
    this.#requests += 1
    void this.#options.link.request().catch(() => undefined)
    this.#timer = setTimeout(() => this.#ask(), betweenRequestsMs)
  }

  async #takeAll({ bytes, ends }: Handful): Promise<void> {
    let batch: PortableConnection[] = []
    let from = 0
    try {
      const { settings } = await this.#options.engine.info(this.#within())
      for (const end of ends) {
        const { connections, refused } = received(decodeSync(bytes.subarray(from, end)), settings.timeouts)
        this.recordsRefused.malformed += refused.malformed
        this.recordsRefused.unknown += refused.unknown
        batch.push(...connections)
        from = end
        if (batch.length < atOnce) continue
        await this.#take(batch)
        batch = []
        await turn()
      }
      if (batch.length > 0) await this.#take(batch)
      this.trouble = undefined
    } catch (error) {
      if (this.#end.signal.aborted) return
      this.recordsRefused.engine += batch.length
      this.trouble = `connections of masters are not taken over: ${describeError(error)}`
    }
  }

  async #take(connections: readonly PortableConnection[]): Promise<void> {
    const { taken, updated, waiting, refused } = await this.#options.engine.takeConnections(connections, this.#within())
    this.records += taken + updated + waiting
    this.waiting += waiting
    for (const count of Object.values(refused)) this.recordsRefused.engine += count
  }

  #within(): { readonly signal: AbortSignal } {
    return { signal: AbortSignal.any([this.#end.signal, AbortSignal.timeout(takeMs)]) }
  }
}
