/** All virtual routers of this machine: which run, what they hear, and what is looked at for them. */
import type { IpPacket } from '../wire/ip.ts'
import { watchCommand } from './commands.ts'
import { watchFile } from './files.ts'
import type { TrackedState } from './machine/tracking.ts'
import { Network } from './network.ts'
import { watchProcesses } from './processes.ts'
import { RunningGroup } from './running-group.ts'
import { type GroupSpec, type RouterSpec, type TrackSpec, trackName, type VrrpSpec } from './spec.ts'
import type { RouterStatus, VrrpEvent } from './status.ts'
import { interfacesOfWays } from './ways.ts'

export class Routers implements AsyncDisposable {
  readonly #network: Network
  #groups: RunningGroup[] = []
  readonly #watches = new Map<string, Disposable>()
  /** What was last said of things that are looked at elsewhere. */
  readonly #told = new Map<string, TrackedState>()
  #isDue = false

  private constructor(network: Network) {
    this.#network = network
  }

  /** @throws InfraError `permission` without CAP_NET_ADMIN and CAP_NET_RAW. */
  static async open(tell: (event: VrrpEvent) => void): Promise<Routers> {
    let routers: Routers | undefined
    const network = await Network.open(() => routers?.lookSoon(), tell)
    routers = new Routers(network)
    return routers
  }

  /** Routers that stay keep their roles; what is left of others goes. Gives back what could not be done, in words. */
  async apply(spec: VrrpSpec): Promise<readonly string[]> {
    const wanted = spec.groups.map(withNeededInterfaces)
    // First: a router may need what always stands.
    const fallen = this.#network.stand(spec.standing ?? { holds: [] })
    const kept = this.#groups.filter((group) => wanted.some((one) => one.name === group.spec.name && group.adopt(one)))
    for (const group of this.#groups) if (!kept.includes(group)) group.stop()
    const isKept = ({ name }: GroupSpec): boolean => kept.some((group) => group.spec.name === name)
    const fresh = wanted.filter((one) => !isKept(one))
    const running = kept.flatMap(({ routers }) => routers)
    const beginning = fresh.flatMap(({ members }) => members)
    const troubles = await this.#network.clear(beginning, running)
    const begun = fresh.map((one) => new RunningGroup(one, this.#network))
    this.#groups = [...kept, ...begun]
    const deaf = this.#listen()
    for (const [name, state] of this.#told) this.track(name, state)
    this.#watchAll()
    this.#look()
    for (const group of begun) group.start()
    return [...fallen, ...troubles, ...deaf]
  }

  status(): RouterStatus[] {
    return this.#groups.flatMap((group) => group.status())
  }

  /** How many were master and are not any more; a router's name, its group's, or all. */
  yield(name: string | undefined): number {
    const meant = this.#meant(name).filter((group) => group.isMaster())
    for (const group of this.#meant(name)) group.yield()
    return meant.length
  }

  resume(name: string | undefined): number {
    const meant = this.#meant(name)
    for (const group of meant) group.resume()
    return meant.length
  }

  /** How something that is looked at elsewhere stands. */
  track(name: string, state: TrackedState): void {
    this.#told.set(name, state)
    for (const group of this.#groups) group.track(name, state)
  }

  /** Once for all news that come in one go. */
  lookSoon(): void {
    if (this.#isDue) return
    this.#isDue = true
    setImmediate(() => {
      this.#isDue = false
      this.#listen()
      this.#look()
      this.#network.standAgain()
      for (const group of this.#groups) group.restore()
    })
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const group of this.#groups) group.stop()
    for (const one of this.#watches.values()) one[Symbol.dispose]()
    await this.#network[Symbol.asyncDispose]()
  }

  #meant(name: string | undefined): RunningGroup[] {
    return this.#groups.filter(
      ({ spec, routers }) =>
        name === undefined || spec.name === name || routers.some(({ config }) => config.name === name),
    )
  }

  #listen(): readonly string[] {
    const routers = this.#groups.flatMap((group) => group.routers)
    return this.#network.hear(routers, (name, packet) => this.#hear(name, packet))
  }

  #hear(interfaceName: string, packet: IpPacket): void {
    const id = packet.payload[1]
    for (const group of this.#groups)
      for (const [member, { config }] of group.routers.entries()) {
        if (config.id !== id || config.family !== (packet.source.includes(':') ? 'ipv6' : 'ipv4')) continue
        const here = config.paths.flatMap((path, at) => (path.interface === interfaceName ? [{ path, at }] : []))
        const fits = here.find(({ path: { to } }) => to.kind === 'multicast' && to.group === packet.destination)
        const { path, at } = fits ?? here.find(({ path: { to } }) => to.kind === 'unicast') ?? here[0] ?? {}
        if (path === undefined || at === undefined) continue
        const { source, destination, hops, payload } = packet
        group.hear(member, { path: at, source, destination, hops, payload, own: this.#network.own(config, path) })
      }
  }

  /** Interfaces: up, with a cable, and where advertisements go out with an address to come from. */
  #look(): void {
    for (const group of this.#groups)
      for (const router of group.routers)
        for (const track of router.tracked) {
          if (track.kind !== 'interface') continue
          const { config } = router
          const [path] = config.paths
          const isRunning = this.#network.links.byName(track.interface)?.isRunning === true
          const isOwn = track.interface === path.interface
          const isMute = isOwn && (this.#network.own(config, path) === undefined || !this.#network.hasDevice(router))
          group.track(trackName(track), isRunning && !isMute ? 'well' : 'ill')
        }
  }

  #watchAll(): void {
    const wanted = new Map(
      this.#groups
        .flatMap((group) => group.routers.flatMap(({ tracked }) => tracked))
        .flatMap((track) =>
          isWatched(track) ? [[JSON.stringify({ ...track, weight: 0, isReversed: undefined }), track] as const] : [],
        ),
    )
    for (const [key, one] of this.#watches)
      if (!wanted.has(key)) {
        one[Symbol.dispose]()
        this.#watches.delete(key)
      }
    for (const [key, track] of wanted)
      if (!this.#watches.has(key))
        this.#watches.set(
          key,
          watch(track, (name, state) => this.track(name, state)),
        )
  }
}

type Watched = TrackSpec & { readonly kind: 'command' | 'file' | 'process' }

function isWatched(track: TrackSpec): track is Watched {
  return track.kind === 'command' || track.kind === 'file' || track.kind === 'process'
}

function watch(track: Watched, onState: (name: string, state: TrackedState) => void): Disposable {
  if (track.kind === 'command') return watchCommand(track, onState)
  return track.kind === 'file' ? watchFile(track, onState) : watchProcesses(track, onState)
}

/** Without its own interface a router cannot be master, nor without those that its addresses and ways stand at. */
function withNeededInterfaces(group: GroupSpec): GroupSpec {
  const members = group.members.map((router): RouterSpec => {
    const isTracked = (name: string): boolean =>
      router.tracked.some((track) => track.kind === 'interface' && track.interface === name)
    const held = router.holds.flatMap((one) => (one.isUntracked === true ? [] : [one.interface]))
    const own = router.config.paths[0].interface
    const needed = new Set([own, ...held, ...interfacesOfWays(router)])
    if (router.ignoresOwnInterface === true) needed.delete(own)
    const missing = [...needed].filter((name) => !isTracked(name))
    const more = missing.map((name) => ({ kind: 'interface', interface: name }) as const)
    return more.length === 0 ? router : { ...router, tracked: [...more, ...router.tracked] }
  })
  return { ...group, members }
}
