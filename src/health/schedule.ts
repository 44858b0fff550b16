/**
 * One clock for many waits: a wheel of slots, one tick each, so that setting and dropping a wait costs the same however
 * many there are, and all that falls due within a tick is done in one go.
 */
import type { Timing } from './timing.ts'

/** Waits end up to so much late, never early: nobody's interval or timeout is that exact, and a wake costs more than a wait. */
export const tickMs = 10

const slotCount = 1024

/** Something that waits, at most once at a time. Its neighbours in a slot are the schedule's. */
export abstract class Due {
  tick = notWaiting
  next: Due | undefined
  previous: Due | undefined

  /** Its time has come; it waits no more. Must not throw. */
  abstract onDue(): void
}

const notWaiting = -1

class Slot extends Due {
  override next: Due = this
  override previous: Due = this

  override onDue(): void {}
}

export class Schedule implements AsyncDisposable {
  readonly #timing: Timing
  readonly #slots = Array.from({ length: slotCount }, () => new Slot())
  /** The last tick that was done. */
  #done: number
  #waiting = 0
  /** The tick that is slept for; while ticks are done, nothing is. */
  #sleepsFor = Number.NEGATIVE_INFINITY
  #wake = new AbortController()
  #running: Promise<void> = Promise.resolve()
  #isRunning = false

  constructor(timing: Timing) {
    this.#timing = timing
    this.#done = this.nowTick()
  }

  nowTick(): number {
    return Math.floor(this.#timing.now() / tickMs)
  }

  /** Due at `atMs` of the timing's clock; what is past already, at the next tick. Replaces the wait that it has. */
  add(due: Due, atMs: number): void {
    this.remove(due)
    if (!this.#isRunning) this.#done = Math.max(this.#done, this.nowTick())
    due.tick = Math.max(Math.ceil(atMs / tickMs), this.#done + 1)
    const slot = this.#slot(due.tick)
    due.next = slot
    due.previous = slot.previous
    slot.previous.next = due
    slot.previous = due
    this.#waiting += 1
    if (!this.#isRunning) {
      this.#isRunning = true
      this.#running = this.#run()
    } else if (due.tick < this.#sleepsFor) this.#wake.abort()
  }

  /** Succeeds when it does not wait. */
  remove(due: Due): void {
    if (due.tick === notWaiting) return
    this.#unlink(due)
    if (this.#waiting === 0) this.#wake.abort()
  }

  /** Drops every wait; resolves when nothing of it runs any more. */
  async [Symbol.asyncDispose](): Promise<void> {
    for (const slot of this.#slots) while (slot.next !== slot) this.#unlink(slot.next)
    this.#wake.abort()
    await this.#running
  }

  async #run(): Promise<void> {
    while (this.#waiting > 0) {
      this.#sleepsFor = this.#nextTick()
      if (this.#wake.signal.aborted) this.#wake = new AbortController()
      // Whole milliseconds up: a timer that rings a fraction too early would only have to be set again.
      const ms = Math.ceil(Math.max(0, this.#sleepsFor * tickMs - this.#timing.now()))
      await this.#timing.sleep(ms, this.#wake.signal)
      this.#sleepsFor = Number.NEGATIVE_INFINITY
      this.#doTicks(this.nowTick())
    }
    this.#isRunning = false
  }

  /** The next tick at which something may be due: within this turn of the wheel, or its end. */
  #nextTick(): number {
    const end = this.#done + slotCount
    for (let tick = this.#done + 1; tick < end; tick += 1) {
      const slot = this.#slot(tick)
      for (let due = slot.next; due !== slot; due = due.next as Due) if (due.tick === tick) return tick
    }
    return end
  }

  #doTicks(until: number): void {
    const ready: Due[] = []
    // After a long stall one turn of the wheel finds everything.
    for (let tick = Math.max(this.#done + 1, until - slotCount + 1); tick <= until; tick += 1) {
      const slot = this.#slot(tick)
      for (let due = slot.next; due !== slot; due = due.next as Due) if (due.tick <= tick) ready.push(due)
    }
    // What is added from here on waits for another turn of the event loop, however far this one is behind.
    this.#done = Math.max(this.#done, until)
    for (const due of ready) {
      // One that is done may drop another's wait, or set it anew.
      if (due.tick === notWaiting || due.tick > until) continue
      this.#unlink(due)
      due.onDue()
    }
  }

  #slot(tick: number): Slot {
    return this.#slots[tick % slotCount] as Slot
  }

  #unlink(due: Due): void {
    if (due.previous !== undefined) due.previous.next = due.next
    if (due.next !== undefined) due.next.previous = due.previous
    due.tick = notWaiting
    due.next = undefined
    due.previous = undefined
    this.#waiting -= 1
  }
}
