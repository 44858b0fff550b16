/**
 * Who may check now: so many at once, in the order of asking, and so many begun within a tick, so that ten thousand
 * that are due together do not stop the director for a moment.
 */
import { Due, type Schedule } from './schedule.ts'

const begunPerTick = 256

export interface Waiter {
  /** Cleared when it does not want its place any more. */
  readonly isWanted: boolean
  /** It has a place now, which it gives back. */
  onPlace(): void
}

/** The queue is bounded by its waiters: each asks once, and gives its place back before it asks again. */
export class Places extends Due {
  readonly limit: number
  readonly #schedule: Schedule
  #free: number
  #queue: Waiter[] = []
  /** Where the queue begins: taking from the front of an array would move all the others. */
  #head = 0
  /** Since the last tick. */
  #begun = 0
  #isHeld = false

  constructor(schedule: Schedule, limit: number) {
    super()
    this.#schedule = schedule
    this.limit = limit
    this.#free = limit
  }

  /** Those that wait do so for a place, not for the next tick. */
  get isFull(): boolean {
    return this.#free === 0
  }

  get waiting(): number {
    return this.#queue.length - this.#head
  }

  /** Nobody is given one before `until` resolves; it must not reject. */
  hold(until: Promise<void>): void {
    this.#isHeld = true
    void until.then(() => {
      this.#isHeld = false
      this.#serve()
    })
  }

  ask(waiter: Waiter): void {
    this.#queue.push(waiter)
    this.#serve()
  }

  release(): void {
    this.#free += 1
    if (this.waiting > 0) this.#serve()
  }

  /** Counted by ticks that were done, not by the clock: a turn of ours that takes long is to end all the sooner. */
  override onDue(): void {
    this.#begun = 0
    this.#serve()
  }

  #serve(): void {
    while (!this.#isHeld && this.#free > 0 && this.waiting > 0) {
      const waiter = this.#queue[this.#head] as Waiter
      if (waiter.isWanted && !this.#mayBegin()) return
      this.#head += 1
      if (this.#head > 1024 && this.#head * 2 > this.#queue.length) {
        this.#queue = this.#queue.slice(this.#head)
        this.#head = 0
      }
      if (!waiter.isWanted) continue
      this.#free -= 1
      waiter.onPlace()
    }
  }

  #mayBegin(): boolean {
    if (this.#begun === 0) this.#schedule.add(this, 0)
    if (this.#begun === begunPerTick) return false
    this.#begun += 1
    return true
  }
}
