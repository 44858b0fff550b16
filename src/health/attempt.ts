/** One check of one server: waits for its place, runs, and ends by its deadline, whatever it meets. */
import { describeError } from '../errors.ts'
import { type Endpoint, formatEndpoint } from '../lvs/service.ts'
import type { Source } from '../os/bound-socket.ts'
import type { Probe, ProbeResult } from './check.ts'
import { down, type Verdict } from './checks/verdict.ts'
import type { ConnectAttempt, ConnectListener, Connector } from './connector.ts'
import type { Places, Waiter } from './places.ts'
import { Due, type Schedule } from './schedule.ts'
import type { Timing } from './timing.ts'

export type AttemptWorld = {
  readonly timing: Timing
  readonly schedule: Schedule
  /** For commands there are fewer places: each is a process. */
  readonly places: { readonly sockets: Places; readonly commands: Places }
}

/** A deadline that rings so late was slept through by this process. */
const stallMs = 250

/** What makes it: a connector, or a probe. */
export type Maker = Connector | Probe

export interface AttemptOwner {
  readonly endpoint: Endpoint
  readonly isCommand: boolean
  readonly from: Source | undefined
  /** It begins; which kind of check it is, and so how long it may take, is decided now. */
  onBegin(attempt: Attempt): { readonly maker: Maker; readonly timeoutMs: number }
  onEnd(attempt: Attempt, result: ProbeResult): void
}

export class Attempt extends Due implements Waiter, ConnectListener {
  /** When it should have begun. */
  readonly dueMs: number
  begunMs = 0
  /** Set by its owner when it begins. */
  check: 'probe' | 'connect' = 'probe'
  isWanted = true
  readonly #world: AttemptWorld
  readonly #owner: AttemptOwner
  #connection: ConnectAttempt | undefined
  #stop: AbortController | undefined
  #hasPlace = false
  #timeoutMs = 0
  #deadlineMs = 0
  #isExtended = false

  constructor(world: AttemptWorld, owner: AttemptOwner, dueMs: number) {
    super()
    this.#world = world
    this.#owner = owner
    this.dueMs = dueMs
  }

  start(): void {
    this.#places.ask(this)
  }

  /** Nothing is heard of it any more. */
  cancel(): void {
    if (!this.isWanted) return
    this.#over()
    this.#connection?.cancel()
    this.#stop?.abort()
  }

  onPlace(): void {
    this.#hasPlace = true
    const { timing, schedule } = this.#world
    this.begunMs = timing.now()
    const { maker, timeoutMs } = this.#owner.onBegin(this)
    this.#timeoutMs = timeoutMs
    this.#deadlineMs = this.begunMs + timeoutMs
    schedule.add(this, this.#deadlineMs)
    if (typeof maker === 'function') {
      this.#stop = new AbortController()
      void this.#run(maker, this.#stop.signal)
    } else this.#connection = maker.connect(this.#owner.endpoint, this)
  }

  onConnectEnd(verdict: Verdict): void {
    this.#end({ ...verdict, tookMs: this.#world.timing.now() - this.begunMs })
  }

  /** The deadline. Whoever slept through it himself has not waited for the server: the check gets that time again, once. */
  override onDue(): void {
    const { timing, schedule } = this.#world
    const sleptMs = timing.now() - this.#deadlineMs
    if (sleptMs >= stallMs && !this.#isExtended) {
      this.#isExtended = true
      this.#deadlineMs = timing.now() + Math.min(sleptMs, this.#timeoutMs)
      return schedule.add(this, this.#deadlineMs)
    }
    // What came before the deadline and was not read yet is read within this turn.
    setImmediate(() => this.#giveUp())
  }

  #giveUp(): void {
    this.#connection?.settle()
    if (!this.isWanted) return
    if (this.#stop === undefined) {
      this.#connection?.cancel()
      const verdict = down(`no connection to ${formatEndpoint(this.#owner.endpoint)} in time`)
      return this.#end({ ...verdict, tookMs: this.#timeoutMs })
    }
    this.#stop.abort(new DOMException(`no end within ${this.#timeoutMs} ms`, 'TimeoutError'))
    // The probe hears of it at the same time and has the first word: it knows how far it came.
    setImmediate(() => this.#end(this.#late()))
  }

  async #run(probe: Probe, signal: AbortSignal): Promise<void> {
    try {
      this.#end(await probe(this.#owner.endpoint, { signal, timeoutMs: this.#timeoutMs, from: this.#owner.from }))
    } catch (error) {
      const detail = `the check could not run: ${describeError(error)}`
      // It may have thrown at once: nobody is to hear of it before all know that it has begun.
      await Promise.resolve()
      this.#end({ healthy: false, detail, tookMs: this.#world.timing.now() - this.begunMs })
    }
  }

  #late(): ProbeResult {
    return { healthy: false, detail: `no result within ${this.#timeoutMs} ms`, tookMs: this.#timeoutMs }
  }

  #end(result: ProbeResult): void {
    if (!this.isWanted) return
    this.#over()
    this.#owner.onEnd(this, result)
  }

  #over(): void {
    this.isWanted = false
    this.#world.schedule.remove(this)
    if (this.#hasPlace) this.#places.release()
  }

  get #places(): Places {
    const { sockets, commands } = this.#world.places
    return this.#owner.isCommand ? commands : sockets
  }
}
