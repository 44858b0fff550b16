/** The ground of virtual routers where time and network are a test's. */
import type { Ground } from '../../src/vrrp/ground.ts'
import type { RouterSpec } from '../../src/vrrp/spec.ts'
import type { VrrpEvent } from '../../src/vrrp/status.ts'

/** Time that a test lets pass, and everything that was asked of the network. */
export class StillGround implements Ground {
  nowMs = 0
  timers: { atMs: number; run: () => void }[] = []
  readonly done: string[] = []
  readonly told: VrrpEvent[] = []
  troubles: string[] = []
  now(): number {
    return this.nowMs
  }
  after(ms: number, run: () => void): Disposable {
    const timer = { atMs: this.nowMs + ms, run }
    this.timers.push(timer)
    return { [Symbol.dispose]: () => void (this.timers = this.timers.filter((one) => one !== timer)) }
  }
  advertise(_router: RouterSpec, priority: number): string[] {
    return this.#did(`advertise ${priority}`)
  }
  claim({ holds }: RouterSpec): string[] {
    return this.#did(`claim ${holds.map(({ address }) => address).join(' ')}`)
  }
  restore({ holds }: RouterSpec): string[] {
    return this.#did(`restore ${holds.map(({ address }) => address).join(' ')}`)
  }
  release({ holds }: RouterSpec): string[] {
    return this.#did(`release ${holds.map(({ address }) => address).join(' ')}`)
  }
  announce(_router: RouterSpec, times: number): string[] {
    return this.#did(`announce ${times}`)
  }
  tell(event: VrrpEvent): void {
    this.told.push(event)
  }
  pass(ms: number): void {
    const until = this.nowMs + ms
    for (;;) {
      const next = this.timers.toSorted((a, b) => a.atMs - b.atMs)[0]
      if (next === undefined || next.atMs > until) break
      this.nowMs = Math.max(this.nowMs, next.atMs)
      this.timers = this.timers.filter((one) => one !== next)
      next.run()
    }
    this.nowMs = until
  }
  #did(what: string): string[] {
    this.done.push(what)
    return this.troubles
  }
}
