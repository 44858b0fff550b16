/** Checks one server at its interval, and knows what came of it. */
import type { Endpoint } from '../lvs/service.ts'
import type { Source } from '../os/bound-socket.ts'
import { Attempt, type AttemptOwner, type AttemptWorld, type Maker } from './attempt.ts'
import type { CheckSpec, Probe, ProbeReport, ProbeResult, ProbeSpec } from './check.ts'
import type { Connector } from './connector.ts'
import type { Lateness } from './lateness.ts'
import {
  beginHealth,
  firstProbeMs,
  type HealthEvent,
  type HealthState,
  isDoubted,
  nextCheck,
  nextProbeMs,
  secondProbeMs,
  step,
  withHold,
} from './machine.ts'
import { Due } from './schedule.ts'
import type { CheckerEvents, CheckTarget, CheckView } from './target.ts'

export type RunnerWorld = AttemptWorld & {
  readonly events: CheckerEvents
  readonly lateness: Lateness
  readonly meansOf: (target: CheckTarget) => Means
}

/** How a server is probed, and how it is connected to between probes. */
export type Means = Readonly<Record<'probe' | 'connect', Maker>>

export const notProbed = 'not probed yet'

export class Runner extends Due implements AttemptOwner {
  readonly key: string
  readonly target: CheckTarget
  readonly isCommand: boolean
  readonly #world: RunnerWorld
  readonly #means: Means
  #state: HealthState
  #detail = notProbed
  #report: ProbeReport | undefined
  /** Those that wait or run: one of its own, and whatever was asked for beside. */
  readonly #attempts: Attempt[] = []
  #dueMs: number
  /** Since it began, or went on. */
  #isFirst = true

  constructor(world: RunnerWorld, key: string, target: CheckTarget) {
    super()
    this.key = key
    this.target = target
    this.#world = world
    this.#means = world.meansOf(target)
    this.isCommand = target.check.probe.kind === 'external'
    this.#dueMs = world.timing.now()
    const start = target.start ?? (target.check.presumed === true ? 'assumed' : undefined)
    this.#state = beginHealth(start, this.#dueMs)
    world.events.onTrace?.({ kind: 'began', key, config: target.check, state: this.#state })
  }

  get endpoint(): Endpoint {
    return this.target.endpoint
  }

  get from(): Source | undefined {
    return this.target.check.from
  }

  get isMaintained(): boolean {
    return this.#state.kind === 'maintenance'
  }

  /** Its first check comes at once, or when it has warmed up. */
  start(): void {
    const { timing } = this.#world
    const afterMs = this.target.start === undefined ? firstProbeMs(this.target.check, timing.chance()) : 0
    if (afterMs === 0) this.#check(timing.now())
    else this.#wait(timing.now() + afterMs)
  }

  /** Into maintenance, or out of it and on. */
  maintain(isMaintained: boolean): void {
    if (isMaintained === this.isMaintained) return
    this.#cancelAll()
    this.#isFirst = true
    this.#report = undefined
    this.#take({ kind: isMaintained ? 'maintenance-began' : 'maintenance-ended', atMs: this.#world.timing.now() })
    this.#detail = isMaintained ? 'in maintenance' : notProbed
    if (!isMaintained) this.#check(this.#world.timing.now())
  }

  stop(): void {
    this.#cancelAll()
    this.#world.events.onTrace?.({ kind: 'ended', key: this.key })
  }

  view(): CheckView {
    const { kind, sinceMs, isReturning } = this.#state
    return {
      health: kind,
      detail: withHold(this.target.check.damping, this.#state, this.#detail),
      ...(this.#report === undefined ? {} : { report: this.#report }),
      sinceMs,
      recovered: isReturning && kind === 'healthy',
    }
  }

  /** Beside the interval; always a full probe. Resolves when its result has counted, or when nobody wants it any more. */
  probeNow(): Promise<void> {
    if (this.isMaintained) return Promise.resolve()
    return new Promise((resolve) => this.#begin(new ByHand(this.#world, this, this.#world.timing.now(), resolve)))
  }

  override onDue(): void {
    this.#check(this.#dueMs)
  }

  onBegin(attempt: Attempt): { readonly maker: Maker; readonly timeoutMs: number } {
    const { everyMs, timeoutMs, connectTimeoutMs = timeoutMs } = this.target.check
    attempt.check = attempt instanceof ByHand ? 'probe' : nextCheck(this.#state)
    // The first has no interval to keep, and when many servers become known at once, all of theirs are due at once.
    if (!this.#isFirst) this.#world.lateness.begun(attempt.begunMs - attempt.dueMs, everyMs)
    return { maker: this.#means[attempt.check], timeoutMs: attempt.check === 'connect' ? connectTimeoutMs : timeoutMs }
  }

  onEnd(attempt: Attempt, result: ProbeResult): void {
    this.#attempts.splice(this.#attempts.indexOf(attempt), 1)
    const { timing, lateness, events } = this.#world
    const { healthy, detail, tookMs, report, inconclusive } = result
    const atMs = timing.now()
    if (!(attempt instanceof ByHand)) {
      const { check } = this.target
      const interval = this.#isFirst ? secondProbeMs : nextProbeMs
      this.#isFirst = false
      const inDoubt = inconclusive !== true && isDoubted(check, this.#state, healthy)
      const afterMs = (inDoubt ? check.doubtEveryMs : undefined) ?? interval(check.everyMs, timing.chance())
      // From beginning to beginning, so that slow answers do not make the interval longer.
      this.#wait(Math.max(atMs, attempt.begunMs + afterMs))
    }
    lateness.ran(inconclusive === true ? detail : undefined)
    if (inconclusive !== true) {
      this.#detail = detail
      if (report !== undefined) this.#report = { ...this.#report, ...report }
      this.#take({ kind: healthy ? 'succeeded' : 'failed', check: attempt.check, atMs, detail })
    }
    events.onResult?.({ key: this.key, healthy, detail, tookMs, ...(report === undefined ? {} : { report }) })
    if (attempt instanceof ByHand) attempt.onDone()
  }

  #check(dueMs: number): void {
    this.#begin(new Attempt(this.#world, this, dueMs))
  }

  #begin(attempt: Attempt): void {
    this.#attempts.push(attempt)
    attempt.start()
  }

  #wait(atMs: number): void {
    this.#dueMs = atMs
    this.#world.schedule.add(this, atMs)
  }

  #cancelAll(): void {
    this.#world.schedule.remove(this)
    for (const attempt of this.#attempts.splice(0)) {
      attempt.cancel()
      if (attempt instanceof ByHand) attempt.onDone()
    }
  }

  #take(event: HealthEvent): void {
    const { key, target } = this
    const { onTrace, onChange, onDoubt } = this.#world.events
    onTrace?.({ kind: 'event', key, config: target.check, state: this.#state, event })
    const { state, effects } = step(target.check, this.#state, event)
    this.#state = state
    for (const effect of effects) {
      if (effect.kind !== 'changed') onDoubt?.({ key, ...effect })
      else onChange({ key, from: effect.from, to: effect.to, detail: effect.detail, after: effect.after })
    }
  }
}

class ByHand extends Attempt {
  readonly onDone: () => void

  constructor(world: AttemptWorld, owner: AttemptOwner, dueMs: number, onDone: () => void) {
    super(world, owner, dueMs)
    this.onDone = onDone
  }
}

/** A connector costs less than a probe of a connection. */
export function openMeans(check: CheckSpec, open: (spec: ProbeSpec) => Probe, connector: Connector | undefined): Means {
  const maker = (spec: ProbeSpec): Maker =>
    spec.kind === 'tcp' && connector !== undefined && check.from === undefined ? connector : open(spec)
  const probe = maker(check.probe)
  return { probe, connect: check.connects === undefined ? probe : maker({ kind: 'tcp' }) }
}
