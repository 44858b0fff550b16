/** From what happens in a director to keepalived's words and commands. Keeps what was told last; no I/O. */
import type { DirectorStatus } from '../../../director/control.ts'
import type { DirectorEvent } from '../../../director/events.ts'
import type { Health } from '../../../director/states.ts'
import { realServerKey } from '../../../lvs/service.ts'
import type { RouterKind } from '../../../vrrp/machine/machine.ts'
import type { Argv, InstanceNotices, NoticePlan, RouterNotices, VirtualNotices } from './plan.ts'

export type Notice =
  | { readonly kind: 'log'; readonly message: string }
  | { readonly kind: 'line'; readonly of: 'vrrp' | 'lvs'; readonly text: string }
  | { readonly kind: 'run'; readonly argv: Argv }
  | { readonly kind: 'mail'; readonly subject: string; readonly text: string }

type State = 'MASTER' | 'BACKUP' | 'FAULT' | 'STOP'
const states: Readonly<Record<RouterKind, State>> = {
  master: 'MASTER',
  backup: 'BACKUP',
  fault: 'FAULT',
  stopped: 'STOP',
}

type Event<K extends DirectorEvent['kind']> = DirectorEvent & { readonly kind: K }
type Turned = Event<'vrrp.turned'>
type Checked = Pick<Event<'server.health'>, 'service' | 'server' | 'to'>

export class Teller {
  readonly #cluster: string
  #plan: NoticePlan
  /** What was last told of instances and groups. */
  readonly #states = new Map<string, State>()
  readonly #groups = new Map<string, State>()
  /** Instances that the last file has no more, until their end was told. */
  readonly #leaving = new Map<string, InstanceNotices>()
  /** Servers that are down, by service and key, and those that were not asked yet; virtual servers that lack their quorum. */
  readonly #down = new Set<string>()
  readonly #unasked = new Set<string>()
  readonly #lacking = new Set<string>()
  /** Virtual servers whose beginning was told. */
  readonly #begun = new Set<string>()

  constructor(plan: NoticePlan, cluster: string) {
    this.#cluster = cluster
    this.#plan = plan
  }

  /** Another file: what is told of stays known. */
  follow(plan: NoticePlan): void {
    for (const [name, notices] of this.#plan.instances) if (!plan.instances.has(name)) this.#leaving.set(name, notices)
    for (const name of plan.instances.keys()) this.#leaving.delete(name)
    for (const service of this.#begun) if (!plan.virtuals.has(service)) this.#begun.delete(service)
    this.#plan = plan
  }

  /** Once they are served: how the virtual servers begin of which nothing was told yet. */
  begin(): readonly Notice[] {
    return [...this.#plan.virtuals].flatMap(([service, virtual]) => this.#begin(service, virtual))
  }

  /** keepalived begins with servers that are up, unless they are to prove it. */
  #begin(service: string, virtual: VirtualNotices): readonly Notice[] {
    if (this.#begun.has(service)) return []
    this.#begun.add(service)
    const own = [...virtual.servers].flatMap(([server, { isAlpha }]) => {
      if (!isAlpha) return this.#plan.tellsBeginning ? this.#server(service, virtual, server, true) : []
      this.#down.add(`${service} ${server}`)
      this.#unasked.add(`${service} ${server}`)
      return []
    })
    if (this.#live(service, virtual) >= virtual.quorum + virtual.hysteresis)
      return [...own, ...this.#virtual(service, virtual, true)]
    this.#lacking.add(service)
    return virtual.hasSorry ? [...own, ...this.#virtual(service, virtual, false)] : own
  }

  #live(service: string, { servers }: VirtualNotices): number {
    return [...servers].reduce((sum, [one, { weight }]) => sum + (this.#down.has(`${service} ${one}`) ? 0 : weight), 0)
  }

  /** Whatever came to be while nobody listened. */
  standing({ routers, services }: Pick<DirectorStatus, 'routers' | 'services'>): readonly Notice[] {
    return [
      ...routers.flatMap(({ name, state, priority }) => {
        const own = this.#ownName(name)
        return own === undefined || this.#states.get(own) === states[state]
          ? []
          : this.#turn(own, states[state], priority)
      }),
      ...services.flatMap(({ cluster, name, servers }) =>
        cluster === this.#cluster
          ? servers.flatMap((server) =>
              this.#checked({ service: name, server: realServerKey(server), to: server.health }),
            )
          : [],
      ),
    ]
  }

  event(event: DirectorEvent): readonly Notice[] {
    switch (event.kind) {
      case 'vrrp.turned':
        return this.#turned(event)
      case 'vrrp.priority':
        return this.#prioritised(event)
      case 'vrrp.contested':
        return this.#contested(event)
      case 'server.health':
        return event.cluster === this.#cluster ? this.#checked(event) : []
      default:
        return []
    }
  }

  /** Whether an end was told of every instance. */
  get isOver(): boolean {
    return [...this.#plan.instances.keys()].every((name) => (this.#states.get(name) ?? 'STOP') === 'STOP')
  }

  /** At the end: of virtual servers with omega all is told as down. */
  stop(): readonly Notice[] {
    return [...this.#plan.virtuals].flatMap(([service, virtual]) => {
      if (!virtual.isOmega) return []
      // Those that the sorry server has replaced are not in the table any more.
      const isReplaced = virtual.hasSorry && this.#lacking.has(service)
      const up = [...virtual.servers].filter(
        ([server, { isKept }]) => !this.#down.has(`${service} ${server}`) && (isKept || !isReplaced),
      )
      return [
        ...up.flatMap(([server]) => this.#server(service, virtual, server, false)),
        ...this.#virtual(service, virtual, false),
      ]
    })
  }

  #ownName(router: string): string | undefined {
    const own = this.#nameOf(router)
    return own !== undefined && this.#plan.instances.has(own) ? own : undefined
  }

  #nameOf(router: string): string | undefined {
    return router.startsWith(`${this.#cluster}/`) ? router.slice(this.#cluster.length + 1) : undefined
  }

  #turned({ router, to, priority, isWaiting }: Turned): readonly Notice[] {
    const leaving = this.#leaving.get(this.#nameOf(router) ?? '')
    if (leaving !== undefined) return to === 'stopped' ? this.#left(leaving, priority) : []
    const name = this.#ownName(router)
    // keepalived says nothing until its scripts have been run for the first time.
    if (name === undefined || isWaiting === true || this.#states.get(name) === states[to]) return []
    return this.#turn(name, states[to], priority)
  }

  /** keepalived runs none of its other commands for one that a reload has taken away. */
  #left({ name, any, deleted }: InstanceNotices, priority: number): readonly Notice[] {
    this.#leaving.delete(name)
    this.#states.delete(name)
    const state = deleted === undefined ? 'FAULT' : 'DELETED'
    return [
      { kind: 'line', of: 'vrrp', text: `INSTANCE "${name}" ${state} ${priority}` },
      ...run(deleted?.argv),
      ...run(any, 'INSTANCE', name, state, String(priority)),
    ]
  }

  #prioritised({ router, role, to }: Event<'vrrp.priority'>): readonly Notice[] {
    const notices = this.#plan.instances.get(this.#nameOf(router) ?? '')
    if (notices?.tellsPriority !== true) return []
    return [{ kind: 'line', of: 'vrrp', text: `INSTANCE "${notices.name}" ${states[role]}_PRIORITY ${to}` }]
  }

  #contested({ router, own }: Event<'vrrp.contested'>): readonly Notice[] {
    const notices = this.#plan.instances.get(this.#nameOf(router) ?? '')
    if (notices === undefined) return []
    return [
      { kind: 'line', of: 'vrrp', text: `INSTANCE "${notices.name}" MASTER_RX_LOWER_PRI ${own}` },
      ...run(notices.lower),
    ]
  }

  #turn(name: string, state: State, priority: number): readonly Notice[] {
    const notices = this.#plan.instances.get(name)
    if (notices === undefined) return []
    this.#states.set(name, state)
    const own = this.#router(notices, 'INSTANCE', state, priority)
    if (state === 'STOP') return this.isOver ? [...own, ...this.#stopGroups()] : own
    const group = notices.group === undefined ? undefined : this.#plan.groups.get(notices.group)
    const members = group?.members.filter((member) => this.#plan.instances.has(member))
    const isCommon = members?.every((member) => this.#states.get(member) === state)
    if (group === undefined || isCommon !== true || this.#groups.get(group.name) === state) return own
    this.#groups.set(group.name, state)
    return [...own, ...this.#router(group, 'GROUP', state, 0)]
  }

  /** At the end, after all instances. */
  #stopGroups(): readonly Notice[] {
    return [...this.#plan.groups.values()].flatMap((group) => {
      if (this.#groups.get(group.name) === 'STOP') return []
      this.#groups.set(group.name, 'STOP')
      return this.#router(group, 'GROUP', 'STOP', 0)
    })
  }

  #router(notices: RouterNotices, kind: 'INSTANCE' | 'GROUP', state: State, priority: number): readonly Notice[] {
    const { name, any, isMailed } = notices
    const key = state.toLowerCase() as 'master' | 'backup' | 'fault' | 'stop'
    const what = kind === 'INSTANCE' ? `VRRP Instance ${name}` : `VRRP Group ${name}`
    const [before, entering] =
      kind === 'INSTANCE' ? [`(${name})`, 'Entering'] : [`VRRP_Group(${name})`, 'Syncing instances to']
    return [
      ...(state === 'STOP' ? [] : [{ kind: 'log', message: `${before} ${entering} ${state} ${kind === 'INSTANCE' ? 'STATE' : 'state'}` } as const]),
      { kind: 'line', of: 'vrrp', text: `${kind} "${name}" ${state} ${priority}` },
      ...run(notices[key]),
      ...run(any, kind, name, state, String(priority)),
      ...(isMailed && state !== 'STOP'
        ? [this.#mail(`${what} - Entering ${state} state`, `=> ${what} is in ${state} state now <=`)]
        : []),
    ] // biome-ignore format: what is told, one by one
  }

  #checked({ service, server, to }: Checked): readonly Notice[] {
    const virtual = this.#plan.virtuals.get(service)
    const key = `${service} ${server}`
    if (virtual === undefined || !virtual.servers.has(server) || !isDecided(to)) return []
    const begun = this.#begin(service, virtual)
    const isUp = to !== 'unhealthy'
    const isFirst = this.#unasked.delete(key)
    // One that was to prove itself, and has not: it stays what it is.
    if (isFirst && !isUp) return [...begun, ...this.#server(service, virtual, server, false)]
    if (isUp !== this.#down.has(key)) return begun
    const own = [...begun, ...this.#server(service, virtual, server, isUp)]
    const live = this.#live(service, virtual)
    const lacks = this.#lacking.has(service)
    if (lacks && live > 0 && live >= virtual.quorum + virtual.hysteresis)
      return [...own, ...this.#virtual(service, virtual, true)]
    if (!lacks && (live === 0 || live < virtual.quorum - virtual.hysteresis))
      return [...own, ...this.#virtual(service, virtual, false)]
    return own
  }

  #server(service: string, virtual: VirtualNotices, server: string, isUp: boolean): readonly Notice[] {
    const notices = virtual.servers.get(server)
    if (notices === undefined) return []
    const key = `${service} ${server}`
    if (isUp) this.#down.delete(key)
    else this.#down.add(key)
    const { shown, up, down, isMailed } = notices
    const what = `${shown} of VS ${virtual.shown}`
    return [
      { kind: 'log', message: isUp ? `Adding service ${shown} to VS ${virtual.shown}` : `Removing service ${what.replace(' of ', ' from ')}` },
      { kind: 'line', of: 'lvs', text: `RS ${shown} ${virtual.shown} ${upOrDown(isUp)}` },
      ...run(isUp ? up : down),
      ...(isMailed ? [this.#mail(`Realserver ${shown} of virtual server ${virtual.shown} - ${upOrDown(isUp)}`, `=> CHECK ${isUp ? 'succeed' : 'failed'} on service <=`)] : []),
    ] // biome-ignore format: what is told, one by one
  }

  #virtual(service: string, { shown, up, down }: VirtualNotices, isUp: boolean): readonly Notice[] {
    if (isUp) this.#lacking.delete(service)
    else this.#lacking.add(service)
    return [
      { kind: 'log', message: `${isUp ? 'Gained' : 'Lost'} quorum for VS ${shown}` },
      { kind: 'line', of: 'lvs', text: `VS ${shown} ${upOrDown(isUp)}` },
      ...run(isUp ? up : down),
    ]
  }

  #mail(subject: string, text: string): Notice {
    const id = this.#plan.mail?.routerId
    return { kind: 'mail', subject: id === undefined ? subject : `[${id}] ${subject}`, text }
  }
}

const upOrDown = (isUp: boolean): 'UP' | 'DOWN' => (isUp ? 'UP' : 'DOWN')

/** Nothing is told of a server that was not checked yet. */
function isDecided(health: Health): boolean {
  return health === 'healthy' || health === 'unhealthy'
}

function run(argv: Argv | undefined, ...more: readonly string[]): Notice[] {
  return argv === undefined ? [] : [{ kind: 'run', argv: [...argv, ...more] }]
}
