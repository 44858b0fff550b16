/** The master's side: tells backups what the engine says has changed, and all that stands when it begins or is asked. */
import { setTimeout as sleep } from 'node:timers/promises'
import type { Engine } from '../engines/engine.ts'
import { describeError } from '../errors.ts'
import { defaultTellingRules, type TellingRules } from '../lvs/telling.ts'
import type { SyncLink } from './link.ts'
import { flushMs, Outbox } from './outbox.ts'

export type MasterOptions = {
  readonly engine: Pick<Engine, 'changedConnections' | 'exportConnections' | 'capabilities'>
  readonly link: Pick<SyncLink, 'send' | 'complete'>
  readonly syncId: number
  readonly maxLength: number
  readonly rules?: TellingRules
}

/** However many ask, all are told again only after so many times as long as that took last, within these bounds. */
const restShare = 10
const restMs = { least: 1000, most: 60_000 }
/** Of all: so many at most, so that a link with little room has some left for what changes. */
const recordsPerSecond = 100_000
/** After the engine could not say what changes. */
const againMs = 5000

export class Master implements AsyncDisposable {
  readonly #options: MasterOptions
  readonly #outbox: Outbox
  readonly #end = new AbortController()
  #running: Promise<unknown> = Promise.resolve()
  #sending: Promise<void> = Promise.resolve()
  #flush: NodeJS.Timeout | undefined
  #isAsked = true
  #wake: () => void = () => {}
  dropped = 0
  transfer: 'none' | 'telling' | 'told' = 'none'
  trouble: string | undefined

  private constructor(options: MasterOptions) {
    this.#options = options
    this.#outbox = new Outbox(options.syncId, options.maxLength)
  }

  static start(options: MasterOptions): Master {
    const master = new Master(options)
    master.#running = Promise.all([master.#follow(), master.#tellAll()])
    return master
  }

  get records(): number {
    return this.#outbox.records
  }

  get leftOut(): number {
    return this.#outbox.leftOut
  }

  /** Somebody wants all connections. */
  request(): void {
    this.#isAsked = true
    this.#wake()
  }

  /** Says what it still has to say. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#end.abort()
    this.#wake()
    clearTimeout(this.#flush)
    await this.#running
    await this.#send(true).catch(() => undefined)
  }

  async #follow(): Promise<void> {
    const { engine, rules = defaultTellingRules } = this.#options
    const { signal } = this.#end
    if (engine.capabilities.porting.changes === 'none') return
    while (!signal.aborted) {
      try {
        for await (const { connections, dropped } of engine.changedConnections({ signal, rules })) {
          this.dropped += dropped
          this.#outbox.put(connections)
          await this.#send(false)
          this.trouble = undefined
        }
        // The engine has ended.
        return
      } catch (error) {
        if (signal.aborted) return
        this.trouble = `connections that change are not told: ${describeError(error)}`
        await pause(againMs, signal)
      }
    }
  }

  /** At first, and whenever it is asked. */
  async #tellAll(): Promise<void> {
    const { signal } = this.#end
    if (this.#options.engine.capabilities.porting.exports === 'none') return
    while (!signal.aborted) {
      if (!this.#isAsked) {
        await new Promise<void>((resolve) => {
          this.#wake = resolve
        })
        continue
      }
      this.#isAsked = false
      this.transfer = 'telling'
      const begun = performance.now()
      try {
        await this.#tellStanding(signal)
        this.transfer = 'told'
      } catch (error) {
        if (signal.aborted) return
        this.trouble = `not all connections could be told: ${describeError(error)}`
        this.#isAsked = true
      }
      const tookMs = performance.now() - begun
      await pause(Math.min(Math.max(restShare * tookMs, restMs.least), restMs.most), signal)
    }
  }

  async #tellStanding(signal: AbortSignal): Promise<void> {
    const { engine, link } = this.#options
    const begun = performance.now()
    let records = 0
    for await (const connections of engine.exportConnections({ signal })) {
      signal.throwIfAborted()
      this.#outbox.put(connections)
      records += connections.length
      await this.#send(false)
      const aheadMs = (records / recordsPerSecond) * 1000 - (performance.now() - begun)
      if (aheadMs > 1) await pause(aheadMs, signal)
    }
    await this.#send(true)
    await link.complete()
  }

  /** What is full goes at once, in order; what is not, a little later. */
  #send(isAll: boolean): Promise<void> {
    const messages = this.#outbox.take(isAll)
    if (!this.#outbox.isEmpty && this.#flush === undefined && !this.#end.signal.aborted)
      this.#flush = setTimeout(() => {
        this.#flush = undefined
        void this.#send(true).catch((error: unknown) => {
          this.trouble = describeError(error)
        })
      }, flushMs)
    if (messages.length > 0) {
      const before = this.#sending.catch(() => undefined)
      this.#sending = before.then(() => this.#options.link.send(messages))
    }
    return this.#sending
  }
}

/** Ends early when it is to end. */
async function pause(ms: number, signal: AbortSignal): Promise<void> {
  await sleep(ms, undefined, { signal }).catch(() => undefined)
}
