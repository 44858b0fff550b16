/** The machine's network as virtual routers use it: advertisements out and in, addresses, and who is told where they are. */
import { readFileSync } from 'node:fs'
import { sameData } from '../difference.ts'
import { isInNetwork } from '../lvs/address.ts'
import { type Family, familyOf } from '../lvs/service.ts'
import { type Link, Links } from '../os/links.ts'
import { openPacketSocket, type PacketSocket } from '../os/packet-socket.ts'
import { type IpSender, openIpSender } from '../os/raw-ip.ts'
import { gratuitousArp } from '../wire/arp.ts'
import { encodeFrame, etherTypes, groupMac } from '../wire/ethernet.ts'
import { encodeIp, type IpPacket } from '../wire/ip.ts'
import { unsolicitedAdvertisement } from '../wire/ndp.ts'
import { encodeVrrp, VRRP, type VrrpPacket } from '../wire/vrrp.ts'
import { AcceptMode, type Refusal } from './accept-mode.ts'
import type { Ground, Troubles } from './ground.ts'
import { Hearings, type OnPacket } from './hearings.ts'
import type { HeartbeatPath, RouterConfig } from './machine/config.ts'
import { mark } from './mark.ts'
import { ownAddress } from './own-address.ts'
import type { HeldAddress, RouterSpec, StaticSpec } from './spec.ts'
import type { VrrpEvent } from './status.ts'
import { attempt, beginVirtual, isVirtualInterface, makeVirtual, virtualName } from './virtual-interface.ts'
import { Ways, waysWithout } from './ways.ts'

const labelBytes = 15
const owner = 255

export class Network implements Ground, AsyncDisposable {
  readonly links: Links
  readonly #ways: Ways
  readonly #frames: PacketSocket
  readonly #senders = new Map<Family, IpSender>()
  readonly #hearings = new Hearings()
  readonly #acceptMode = new AcceptMode()
  readonly #tell: (event: VrrpEvent) => void
  /** Addresses that were put there by this process. */
  readonly #added = new Set<string>()
  #isHeld: (address: string) => boolean = () => false
  #standing: StaticSpec = { holds: [] }

  private constructor(links: Links, onChange: () => void, tell: (event: VrrpEvent) => void) {
    this.links = links
    this.#tell = tell
    this.#ways = new Ways((name) => links.byName(name)?.index, onChange)
    this.#frames = openPacketSocket()
  }

  /** @throws InfraError `permission` without CAP_NET_ADMIN and CAP_NET_RAW. */
  static async open(onChange: () => void, tell: (event: VrrpEvent) => void): Promise<Network> {
    const links = await Links.open(onChange)
    try {
      return new Network(links, onChange, tell)
    } catch (error) {
      links[Symbol.dispose]()
      throw error
    }
  }

  now(): number {
    return performance.now()
  }

  after(ms: number, run: () => void): Disposable {
    const timer = setTimeout(run, Math.ceil(ms))
    return { [Symbol.dispose]: () => clearTimeout(timer) }
  }

  tell(event: VrrpEvent): void {
    this.#tell(event)
  }

  /** Listens where these routers do, and nowhere else. Gives back what hinders it. */
  hear(routers: readonly RouterSpec[], onPacket: OnPacket): Troubles {
    this.#isHeld = (address) => routers.some(({ holds }) => holds.some((held) => held.address === address))
    return this.#hearings.hear(routers, this.links, onPacket)
  }

  /** Whether its addresses have an interface to stand at. */
  hasDevice(router: RouterSpec): boolean {
    return router.holds.every((held) => this.#deviceOf(router, held) !== undefined)
  }

  own(config: RouterConfig, path: HeartbeatPath): string | undefined {
    const link = this.links.byName(path.interface)
    return link && ownAddress(path, config.family, this.links.addresses(link.index), this.#isHeld)
  }

  advertise(router: RouterSpec, priority: number): Troubles {
    return router.config.paths.flatMap((path) => this.#advertiseOn(router, path, priority) ?? [])
  }

  claim(router: RouterSpec): Troubles {
    return [...router.holds.flatMap((held) => this.#claim(router, held)), ...this.#ways.claim(router)]
  }

  restore(router: RouterSpec): Troubles {
    const holds = router.holds.filter(({ isUntracked }) => isUntracked !== true)
    return [...holds.flatMap((held) => this.#claim(router, held)), ...this.#ways.claim(router, true)]
  }

  /** The owner's addresses are its own: what others have put there stays. */
  release(router: RouterSpec): Troubles {
    const ways = this.#ways.release(router)
    const holds = router.holds.flatMap((held) => {
      const link = this.#deviceOf(router, held)
      const isOurs = this.#added.delete(keyOf(held))
      if (link === undefined || (!isOurs && router.config.priority === owner)) return []
      return this.#removeAddress(link, held)
    })
    return [...ways, ...holds]
  }

  /** Makes these stand whoever is master, in place of those before. */
  stand(wanted: StaticSpec): Troubles {
    const before = this.#standing
    this.#standing = wanted
    const isKept = (held: HeldAddress): boolean => wanted.holds.some((one) => sameData(one, held))
    return [
      ...this.#ways.release(waysWithout(before, wanted)),
      ...before.holds.filter((held) => !isKept(held)).flatMap((held) => this.#fell(held)),
      ...this.standAgain(),
    ]
  }

  /** Brings back what of them has gone since. */
  standAgain(): Troubles {
    const { holds } = this.#standing
    return [
      ...holds.flatMap((held) => {
        const link = this.links.byName(held.interface)
        if (link === undefined) return [`there is no interface ${held.interface} for ${held.address}`]
        return this.#addAddress(link, held, { hasRoute: true })
      }),
      ...this.#ways.claim(this.#standing),
    ]
  }

  #fell(held: HeldAddress): Troubles {
    const link = this.links.byName(held.interface)
    const found = link && this.links.addresses(link.index).find((one) => one.address === held.address)
    const isOurs = this.#added.delete(keyOf(held)) || found?.mark === mark
    return link === undefined || !isOurs ? [] : this.#removeAddress(link, held)
  }

  #claim(router: RouterSpec, held: HeldAddress): Troubles {
    const link = this.#deviceOf(router, held)
    if (link === undefined) return [`there is no interface ${held.interface} for ${held.address}`]
    const label = `${link.name}:${router.config.id}`
    const isLabelled = familyOf(held.address) === 'ipv4' && label.length <= labelBytes
    // The route to its network stays with the interface's own address, where it has one.
    const own = [link.index, this.links.byName(held.interface)?.index]
    const hasRoute = !this.links
      .addresses()
      .some((one) => own.includes(one.interface) && one.prefix === held.prefix && isInNetwork(one.address, held))
    // Nobody here sends from it who has another one to choose (RFC 6724 §5, rule 3), unless it is told otherwise.
    const isDeprecated = familyOf(held.address) === 'ipv6' && router.config.priority !== owner
    const standing = isDeprecated ? { preferredSeconds: 0, ...held } : held
    return this.#addAddress(link, isLabelled ? { label, ...standing } : standing, { hasRoute })
  }

  #addAddress(link: Link, held: HeldAddress, { hasRoute }: { readonly hasRoute: boolean }): Troubles {
    const { address, prefix } = held
    if (this.links.addresses(link.index).some((one) => one.address === address && one.prefix === prefix)) return []
    return attempt(() => {
      if (this.links.addAddress({ ...held, interface: link.index, mark, hasRoute }))
        this.#added.add(keyOf({ address, prefix, interface: link.name }))
    })
  }

  #removeAddress(link: Link, { address, prefix, peer }: HeldAddress): Troubles {
    return attempt(() =>
      this.links.removeAddress({ interface: link.index, address, prefix, ...(peer === undefined ? {} : { peer }) }),
    )
  }

  announce(router: RouterSpec, times: number): Troubles {
    const troubles = new Set<string>()
    for (const held of router.holds) {
      const link = this.#deviceOf(router, held)
      if (link?.mac === undefined) continue
      const { address } = held
      const frame =
        familyOf(address) === 'ipv4'
          ? gratuitousArp(link.mac, address)
          : unsolicitedAdvertisement({ address, mac: link.mac, isRouter: forwards(held.interface) })
      for (let time = 0; time < times; time++) {
        const errno = this.#frames.send(link.index, frame)
        if (errno !== undefined) troubles.add(`announce ${address} on ${link.name}: ${errno}`)
      }
    }
    return [...troubles]
  }

  /**
   * What a daemon that was killed has left behind goes away: addresses with our mark, and those of routers that are about to
   * begin as backup, with their routes and rules. `running` routers keep theirs, and what always stands stays.
   */
  async clear(beginning: readonly RouterSpec[], running: readonly RouterSpec[]): Promise<Troubles> {
    const isRunning = (address: string): boolean =>
      [this.#standing, ...running].some(({ holds }) => holds.some((held) => held.address === address))
    const begins = (address: string, name: string | undefined): boolean =>
      beginning.some(
        ({ config, holds }) =>
          config.priority !== owner && holds.some((held) => held.address === address && held.interface === name),
      )
    const names = new Map(this.links.all().map(({ index, name }) => [index, name]))
    const old = this.links
      .addresses()
      .filter((one) => !isRunning(one.address) && (one.mark === mark || begins(one.address, names.get(one.interface))))
    const wanted = new Set([...beginning, ...running].filter(({ hasVirtualMac }) => hasVirtualMac).map(virtualName))
    const devices = this.links.all().filter(({ name }) => isVirtualInterface(name) && !wanted.has(name))
    const troubles = [
      ...(await this.#acceptMode.refuse([...beginning, ...running].flatMap(refusedBy))),
      ...beginning.flatMap((router) => (router.config.priority === owner ? [] : this.#ways.release(router))),
      ...old.flatMap((address) => attempt(() => this.links.removeAddress(address))),
      ...devices.flatMap(({ index }) => attempt(() => this.links.removeLink(index))),
    ]
    const virtual = beginning.filter(({ hasVirtualMac }) => hasVirtualMac)
    troubles.push(...virtual.flatMap((router) => makeVirtual(this.links, router)))
    await this.links.refresh()
    troubles.push(...virtual.flatMap((router) => beginVirtual(this.links, router)))
    return troubles
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.stand({ holds: [] })
    this.#ways[Symbol.dispose]()
    this.#hearings[Symbol.dispose]()
    for (const sender of this.#senders.values()) sender[Symbol.dispose]()
    for (const { index, name } of this.links.all())
      if (isVirtualInterface(name)) attempt(() => this.links.removeLink(index))
    this.#frames[Symbol.dispose]()
    this.links[Symbol.dispose]()
    await this.#acceptMode[Symbol.asyncDispose]()
  }

  #advertiseOn(router: RouterSpec, path: HeartbeatPath, priority: number): Troubles {
    const { config } = router
    const link = this.links.byName(path.interface)
    if (link === undefined) return [`there is no interface ${path.interface} to advertise on`]
    const source = this.own(config, path)
    if (source === undefined)
      return [
        `${path.interface} has no ${config.family === 'ipv4' ? 'IPv4' : 'link-local IPv6'} address to advertise from`,
      ]
    const packet = (destination: string): IpPacket => ({
      source,
      destination,
      protocol: VRRP,
      hops: 255,
      payload: encodeVrrp(advertisementOf(config, priority), source, destination, config.checksum),
    })
    const failed = (destination: string, errno: string | undefined): string[] =>
      errno === undefined ? [] : [`advertise to ${destination} on ${path.interface}: ${errno}`]
    const { to } = path
    if (to.kind === 'unicast')
      return to.peers.flatMap((peer) => failed(peer, this.#sender(config.family).send(packet(peer), link)))
    // As a frame: from the virtual router's own Ethernet address where it has one.
    const device = router.hasVirtualMac ? (this.links.byName(virtualName(router)) ?? link) : link
    if (device.mac === undefined) return [`${path.interface} is no Ethernet: give it peers instead of multicast`]
    const frame = encodeFrame(groupMac(to.group), device.mac, etherTypes[config.family], encodeIp(packet(to.group)))
    return failed(to.group, this.#frames.send(device.index, frame))
  }

  #sender(family: Family): IpSender {
    const sender = this.#senders.get(family) ?? openIpSender(family)
    this.#senders.set(family, sender)
    return sender
  }

  #deviceOf(router: RouterSpec, held: HeldAddress): Link | undefined {
    return this.links.byName(deviceNameOf(router, held))
  }
}

function deviceNameOf(router: RouterSpec, held: HeldAddress): string {
  const isVirtual = router.hasVirtualMac && held.interface === router.config.paths[0].interface
  return isVirtual ? virtualName(router) : held.interface
}

function refusedBy(router: RouterSpec): Refusal[] {
  if (router.accepts || router.config.priority === owner) return []
  return router.holds.map((held) => ({ address: held.address, device: deviceNameOf(router, held) }))
}

function advertisementOf(config: RouterConfig, priority: number): VrrpPacket {
  const { id, addresses, intervalMs, password } = config
  if (config.version === 3) return { version: 3, id, priority, addresses, intervalMs }
  const authentication = password === undefined ? { kind: 'none' as const } : { kind: 'password' as const, password }
  return { version: 2, id, priority, addresses, intervalMs, authentication }
}

function forwards(interfaceName: string): boolean {
  try {
    return readFileSync(`/proc/sys/net/ipv6/conf/${interfaceName}/forwarding`, 'utf8').trim() === '1'
  } catch {
    // It went away a moment ago.
    return false
  }
}

function keyOf({ interface: name, address, prefix }: HeldAddress): string {
  return `${name} ${address}/${prefix}`
}
