/** A group of virtual routers as it runs: the machine's effects are carried out, its timers kept, what is wrong remembered. */
import { sameData } from '../difference.ts'
import type { Ground, Troubles } from './ground.ts'
import type { RouterConfig } from './machine/config.ts'
import { type Diagnoses, describeFinding, type Finding, note, standing, withoutOld } from './machine/diagnosis.ts'
import { type GroupConfig, type GroupState, initialGroup, nextGroupTickMs, stepGroup } from './machine/group.ts'
import type { Happening, RouterEffect, RouterState } from './machine/machine.ts'
import { type Arrival, receive } from './machine/receive.ts'
import { masterDownMs } from './machine/timers.ts'
import { fitness, isWell, type TrackedState } from './machine/tracking.ts'
import { type GroupSpec, type RouterSpec, trackName } from './spec.ts'
import type { RouterStatus } from './status.ts'
import { waysWithout } from './ways.ts'

/** What is wrong is told for so many of the router's own waits after it was last seen. */
const waitsKept = 3

export class RunningGroup {
  #spec: GroupSpec
  #config: GroupConfig
  #state: GroupState
  readonly #ground: Ground
  #timer: Disposable | undefined
  readonly #diagnoses = new Map<string, Diagnoses>()
  /** Of what could not be done last, by router. */
  readonly #troubles = new Map<string, Troubles>()
  readonly #tracked = new Map<string, TrackedState>()
  /** When it was last told of a master of lower priority, by router. */
  readonly #contestedMs = new Map<string, number>()

  constructor(spec: GroupSpec, ground: Ground) {
    this.#spec = spec
    this.#ground = ground
    this.#config = configOf(spec)
    this.#state = initialGroup(this.#config, ground.now())
  }

  get spec(): GroupSpec {
    return this.#spec
  }

  get routers(): readonly RouterSpec[] {
    return this.#spec.members
  }

  start(): void {
    this.#judge()
    this.#do({ kind: 'start' })
  }

  stop(): void {
    this.#do({ kind: 'stop' })
    this.#timer?.[Symbol.dispose]()
  }

  /** By hand. */
  yield(): void {
    this.#do({ kind: 'yield' })
  }

  resume(): void {
    this.#do({ kind: 'resume' })
  }

  isMaster(): boolean {
    return this.#state.some(({ kind }) => kind === 'master')
  }

  /** What one of the routers has heard. */
  hear(member: number, arrival: Arrival): void {
    const config = this.#config.members[member]
    if (config === undefined) return
    const received = receive(config, arrival)
    const from = arrival.source
    if (received.kind === 'refused') {
      const place = config.paths[arrival.path]?.interface ?? ''
      this.#find(member, { kind: 'refused', from, interface: place, refusal: received.refusal })
      return
    }
    const { priority, intervalMs } = received.packet
    this.#do({ kind: 'heard', path: arrival.path, from, own: arrival.own, priority, intervalMs }, member)
  }

  /** How something that is tracked stands now, by its name. */
  track(name: string, state: TrackedState): void {
    if (this.#tracked.get(name) === state) return
    const wasWaiting = this.#isWaiting()
    this.#tracked.set(name, state)
    this.#judge()
    if (wasWaiting && !this.#isWaiting()) this.#tellFaults()
  }

  /** The addresses of a master stand, whoever has taken one away, and so do its routes and rules. */
  restore(): void {
    for (const [at, router] of this.#spec.members.entries())
      if (this.#state[at]?.kind === 'master') this.#note(at, 'claim', this.#ground.restore(router))
  }

  /** The same routers with other addresses, priorities, tracked things: a master stays master. False: they are others. */
  adopt(spec: GroupSpec): boolean {
    if (identity(spec) !== identity(this.#spec)) return false
    const before = this.#spec.members
    this.#spec = spec
    this.#config = configOf(spec)
    for (const [at, router] of spec.members.entries()) {
      const old = before[at]
      if (old === undefined || this.#state[at]?.kind !== 'master') continue
      const holds = old.holds.filter((held) => !router.holds.some((one) => sameData(one, held)))
      this.#ground.release({ ...old, holds, ...waysWithout(old, router) })
      this.#note(at, 'claim', this.#ground.claim(router))
      this.#perform(at, { kind: 'announce', times: router.config.announcing.times })
    }
    this.#judge()
    this.#arm()
    return true
  }

  status(): RouterStatus[] {
    const nowMs = this.#ground.now()
    return this.#spec.members.flatMap((router, at) => {
      const state = this.#state[at]
      return state === undefined ? [] : [this.#statusOf(router, state, nowMs)]
    })
  }

  #statusOf({ config, holds }: RouterSpec, state: RouterState, nowMs: number): RouterStatus {
    const found = withoutOld(this.#diagnoses.get(config.name) ?? new Map(), nowMs, keepMs(config))
    const { heard } = state
    const isRecent = heard !== undefined && nowMs - heard.atMs <= keepMs(config) && heard.priority > 0
    return {
      name: config.name,
      id: config.id,
      version: config.version,
      interface: config.paths[0].interface,
      state: state.kind,
      forMs: Math.round(nowMs - state.sinceMs),
      priority: state.priority,
      ...(isRecent && state.kind !== 'master' ? { master: { address: heard.address, priority: heard.priority } } : {}),
      addresses: holds.map(({ address }) => address),
      yields: state.isYielding,
      faults: state.heldBy === undefined ? state.faults : [...state.faults, `${state.heldBy} of its group is at fault`],
      troubles: [
        ...standing(found).map(({ finding }) => describeFinding(config, state.kind, finding)),
        ...['advertise', 'claim', 'release', 'announce'].flatMap(
          (what) => this.#troubles.get(`${config.name} ${what}`) ?? [],
        ),
      ],
    }
  }

  #judge(): void {
    for (const [at, { config, tracked }] of this.#spec.members.entries()) {
      const things = tracked.map((one) => {
        const { weight, isReversed } = one
        return {
          name: trackName(one),
          ...(weight === undefined ? {} : { weight }),
          ...(isReversed === undefined ? {} : { isReversed }),
        }
      })
      const before = this.#state[at]
      this.#do({ kind: 'tracked', ...fitness(config.priority, things, this.#tracked) }, at)
      this.#tellPriority(at, before)
    }
  }

  #tellPriority(member: number, before: RouterState | undefined): void {
    const [config, now] = [this.#config.members[member], this.#state[member]]
    if (config === undefined || before === undefined || now === undefined || now.priority === before.priority) return
    if (now.kind !== before.kind || (now.kind !== 'master' && now.kind !== 'backup')) return
    const { name, id } = config
    const { kind: role, priority: to } = now
    this.#ground.tell({ kind: 'vrrp.priority', router: name, id, role, from: before.priority, to })
  }

  /** However fast the other one talks. */
  #tellContested(member: number, by: string, priority: number): void {
    const config = this.#config.members[member]
    if (config === undefined) return
    const { name, id, intervalMs } = config
    const nowMs = this.#ground.now()
    if (nowMs - (this.#contestedMs.get(name) ?? Number.NEGATIVE_INFINITY) < intervalMs) return
    this.#contestedMs.set(name, nowMs)
    this.#ground.tell({
      kind: 'vrrp.contested',
      router: name,
      id,
      by,
      priority,
      own: this.#state[member]?.priority ?? config.priority,
    })
  }

  #do(happening: Happening, member?: number): void {
    const { state, effects } = stepGroup(this.#config, this.#state, { ...happening, atMs: this.#ground.now() }, member)
    this.#state = state
    for (const { member: at, effect } of effects) this.#perform(at, effect)
    this.#arm()
  }

  /** Setting a timer is cheap; keeping one that is due at another time would not be right. */
  #arm(): void {
    this.#timer?.[Symbol.dispose]()
    const due = nextGroupTickMs(this.#state)
    const tick = (): void => this.#do({ kind: 'tick' })
    this.#timer = due === undefined ? undefined : this.#ground.after(Math.max(due - this.#ground.now(), 0), tick)
  }

  #perform(member: number, effect: RouterEffect): void {
    const router = this.#spec.members[member]
    if (router === undefined) return
    const { name, id, paths } = router.config
    switch (effect.kind) {
      case 'advertise':
        return this.#note(member, effect.kind, this.#ground.advertise(router, effect.priority))
      case 'claim':
        return this.#note(member, effect.kind, this.#ground.claim(router))
      case 'release':
        this.#troubles.delete(`${name} claim`)
        return this.#note(member, effect.kind, this.#ground.release(router))
      case 'announce':
        return this.#note(member, effect.kind, this.#ground.announce(router, effect.times))
      case 'conflict': {
        const place = paths[effect.path]?.interface ?? ''
        const { from, priority } = effect
        if (router.config.answersLower) this.#tellContested(member, from, priority)
        return this.#find(member, { kind: 'split-brain', from, interface: place, priority })
      }
      case 'turned':
        return this.#ground.tell({
          kind: 'vrrp.turned',
          router: name,
          id,
          from: effect.from,
          to: effect.to,
          reason: effect.reason,
          priority: this.#state[member]?.priority ?? router.config.priority,
          ...(effect.to === 'fault' && this.#isWaiting() ? { isWaiting: true } : {}),
        })
    }
  }

  /** Those that only waited are at fault for a reason now. */
  #tellFaults(): void {
    for (const [at, { kind, faults, heldBy }] of this.#state.entries())
      if (kind === 'fault') {
        const reason = faults[0] ?? `${heldBy ?? 'another'} of its group is at fault`
        this.#perform(at, { kind: 'turned', from: 'fault', to: 'fault', reason })
      }
  }

  /** Nothing that is tracked is known to be ill. */
  #isWaiting(): boolean {
    return this.#spec.members.every(({ tracked }) =>
      tracked.every((one) => {
        const state = this.#tracked.get(trackName(one)) ?? 'unknown'
        return state === 'unknown' || isWell(state) !== (one.isReversed === true)
      }),
    )
  }

  #find(member: number, finding: Finding): void {
    const config = this.#config.members[member]
    const state = this.#state[member]
    if (config === undefined || state === undefined || state.kind === 'stopped') return
    const nowMs = this.#ground.now()
    const known = withoutOld(this.#diagnoses.get(config.name) ?? new Map(), nowMs, keepMs(config))
    const { diagnoses, news } = note(known, finding, nowMs)
    this.#diagnoses.set(config.name, diagnoses)
    if (news === undefined) return
    const trouble = describeFinding(config, state.kind, finding)
    this.#ground.tell({ kind: 'vrrp.trouble', router: config.name, id: config.id, trouble, count: news.count })
  }

  /** Told when it is another trouble than last time. */
  #note(member: number, what: string, troubles: Troubles): void {
    const config = this.#config.members[member]
    if (config === undefined) return
    const key = `${config.name} ${what}`
    const before = this.#troubles.get(key) ?? []
    this.#troubles.set(key, troubles)
    for (const trouble of troubles)
      if (!before.includes(trouble))
        this.#ground.tell({ kind: 'vrrp.trouble', router: config.name, id: config.id, trouble, count: 1 })
  }
}

function keepMs(config: RouterConfig): number {
  return waitsKept * masterDownMs(config, config.priority, config.intervalMs)
}

function configOf({ members }: GroupSpec): GroupConfig {
  return { members: members.map(({ config }) => config) }
}

/** What makes routers others. */
function identity({ name, members }: GroupSpec): string {
  return JSON.stringify([
    name,
    members.map(({ config: { name, id, version, family, paths, isGrouped }, hasVirtualMac }) => [
      name, id, version, family, paths.map((path) => [path.interface, path.to.kind]), isGrouped, hasVirtualMac,
    ]),
  ]) // biome-ignore format: a list to read at a glance
}
