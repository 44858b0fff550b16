/**
 * The virtual routers that clusters want: they follow the intent once its services stand, and are told how the services
 * do. Their thread begins with the first of them, and anew when it has died.
 */
import { describeError, InfraError } from '../errors.ts'
import type { SyncRole } from '../lvs/edit.ts'
import { allowForeignBind } from '../vrrp/foreign-bind.ts'
import { trackName, type VrrpSpec } from '../vrrp/spec.ts'
import type { RouterStatus, VrrpEvent } from '../vrrp/status.ts'
import type { Vrrp } from '../vrrp/vrrp.ts'
import type { CallOptions, ClusterServices, HandOver } from './control.ts'
import type { DirectorEvent } from './events.ts'
import type { ServiceState } from './states.ts'

export type VirtualRoutersOptions = {
  readonly onEvent: (event: VrrpEvent) => void
  /** Left out, the real ones. */
  readonly openVrrp?: (onEvent: (event: VrrpEvent) => void) => Promise<Vrrp>
  /** Lets services listen at addresses that are elsewhere now; left out, of this machine. Gives back why it could not. */
  readonly allowBind?: () => readonly string[]
  /** Called when `syncSides` may say something else. */
  readonly onSides?: () => void
}

export type VirtualRouters = AsyncDisposable & {
  /** Before the services of these clusters are put: they may stand at addresses that another director has now. */
  prepare(clusters: readonly ClusterServices[]): void
  /** Resolves when they take part. What cannot be done is among the problems, and tried again. */
  follow(clusters: readonly ClusterServices[]): Promise<void>
  /** What has happened in the director: services may be tracked. */
  heed(event: DirectorEvent): void
  status(options: CallOptions): Promise<readonly RouterStatus[]>
  /** @throws InfraError `not-found` when none is meant. */
  handOver(order: HandOver, options: CallOptions): Promise<number>
  /**
   * What a cluster's synchronisation is to do now: a master tells its connections, a backup takes what it is told. Without
   * virtual routers both, and with several as many of the two as there are.
   */
  syncSides(cluster: string): readonly SyncRole[]
  problems(): readonly string[]
}

const againMs = 5000

export function virtualRouters(options: VirtualRoutersOptions): VirtualRouters {
  const { onEvent, openVrrp = loadVrrp, allowBind = allowForeignBind, onSides } = options
  let known: readonly ClusterServices[] = []
  const masters = new Set<string>()
  const hear = (event: VrrpEvent): void => {
    if (event.kind === 'vrrp.turned') {
      if (event.to === 'master') masters.add(event.router)
      else masters.delete(event.router)
    }
    onEvent(event)
    if (event.kind === 'vrrp.turned') onSides?.()
  }
  let wanted: VrrpSpec = { groups: [] }
  let vrrp: Vrrp | undefined
  let problems: readonly string[] = []
  let hindrances: readonly string[] = []
  let timer: NodeJS.Timeout | undefined
  let isOver = false
  let last: Promise<void> = Promise.resolve()
  const services = new Map<string, ServiceState>()

  const apply = async (): Promise<void> => {
    clearTimeout(timer)
    if (isOver || (vrrp === undefined && wanted.groups.length === 0 && wanted.standing === undefined)) return
    try {
      vrrp ??= await openVrrp(hear)
      for (const [service, state] of services) await tell(vrrp, service, state)
      problems = await vrrp.apply(wanted)
    } catch (error) {
      problems = [`virtual routers: ${describeError(error)}`]
      await drop()
    }
    if (problems.length > 0 && !isOver) timer = setTimeout(() => void begin(), againMs).unref()
  }
  /** One after the other. */
  const begin = (): Promise<void> => {
    last = last.then(apply)
    return last
  }
  const drop = async (): Promise<void> => {
    const old = vrrp
    vrrp = undefined
    masters.clear()
    await old?.[Symbol.asyncDispose]()
  }
  /** A thread that does not answer any more is a problem, and a new one takes its place. */
  const ask = async <T>(otherwise: T, body: (vrrp: Vrrp) => Promise<T>): Promise<T> => {
    if (vrrp === undefined) return otherwise
    try {
      return await body(vrrp)
    } catch (error) {
      problems = [`virtual routers: ${describeError(error)}`]
      await drop()
      void begin()
      return otherwise
    }
  }
  return {
    prepare(clusters) {
      known = clusters
      if (clusters.some(({ vrrp: own }) => own !== undefined)) hindrances = allowBind()
    },
    async follow(clusters) {
      const next = joinedSpec(clusters)
      if (JSON.stringify(next) === JSON.stringify(wanted)) return
      wanted = next
      await begin()
    },
    heed(event) {
      if (event.kind !== 'service.state' || event.cluster === undefined) return
      const service = `${event.cluster}/${event.service}`
      services.set(service, event.to)
      if (vrrp !== undefined) void tell(vrrp, service, event.to).catch(() => undefined)
    },
    status: ({ signal }) => ask<readonly RouterStatus[]>([], (thread) => thread.status({ signal })),
    async handOver({ router, back = false }, { signal }) {
      const names = wanted.groups.flatMap(({ name, members }) => [name, ...members.map(({ config }) => config.name)])
      const name = router === undefined ? undefined : names.find((one) => one === router || one.endsWith(`/${router}`))
      if (names.length === 0 || (router !== undefined && name === undefined))
        throw new InfraError(
          'not-found',
          router === undefined ? 'no virtual router runs here' : `no virtual router ${router} runs here`,
          {
            subject: router ?? 'vrrp',
            hint:
              names.length === 0
                ? 'directors.vrrp of the file describes one'
                : `there is ${[...new Set(names)].join(', ')}`,
          },
        )
      return await ask(0, (thread) => (back ? thread.resume(name, { signal }) : thread.yield(name, { signal })))
    },
    syncSides(cluster) {
      const groups = known.find((one) => one.cluster === cluster)?.vrrp?.groups ?? []
      const areMasters = groups.flatMap(({ members }) => members.map(({ config }) => masters.has(config.name)))
      if (areMasters.length === 0) return ['master', 'backup']
      return [
        ...(areMasters.includes(true) ? ['master' as const] : []),
        ...(areMasters.includes(false) ? ['backup' as const] : []),
      ]
    },
    problems: () => [...hindrances, ...problems],
    async [Symbol.asyncDispose]() {
      isOver = true
      clearTimeout(timer)
      await last
      await drop()
    },
  }
}

/** Of all clusters: a thread has the routers of the whole machine. */
function joinedSpec(clusters: readonly ClusterServices[]): VrrpSpec {
  const standing = clusters.flatMap(({ vrrp }) => vrrp?.standing ?? [])
  const groups = clusters.flatMap(({ vrrp }) => vrrp?.groups ?? [])
  if (standing.length === 0) return { groups }
  return {
    groups,
    standing: {
      holds: standing.flatMap(({ holds }) => holds),
      routes: standing.flatMap(({ routes }) => routes ?? []),
      rules: standing.flatMap(({ rules }) => rules ?? []),
    },
  }
}

/** A service without a usable server is ill; that it has a fallback, or too few servers, helps its clients little. */
function tell(vrrp: Vrrp, service: string, state: ServiceState): Promise<void> {
  return vrrp.track(trackName({ kind: 'service', service }), state === 'served' ? 'well' : 'ill')
}

/** Loaded when it is asked for: most directors have no virtual router. */
async function loadVrrp(onEvent: (event: VrrpEvent) => void): Promise<Vrrp> {
  const { openVrrp } = await import('../vrrp/vrrp.ts')
  return openVrrp(onEvent)
}
