/** Interfaces and their addresses, kept as the kernel tells of them, and changed: rtnetlink(7). */
import { messageFlags, type NetlinkMessage } from '../wire/netlink.ts'
import {
  addressesQuestion,
  decodeAddress,
  decodeLink,
  encodeLinkUp,
  encodeNewAddress,
  encodeNewMacvlan,
  encodeOldAddress,
  encodeOldLink,
  type InterfaceAddress,
  type Link,
  linksQuestion,
  type NewAddress,
  routeGroups,
  routeMessages,
} from '../wire/rtnetlink.ts'
import { followNetlink, NetlinkError, type NetlinkNews, NetlinkSocket } from './netlink.ts'

export type { InterfaceAddress, Link } from '../wire/rtnetlink.ts'

type Places = Pick<InterfaceAddress, 'interface' | 'address' | 'prefix'> & Pick<NewAddress, 'peer'>

export class Links implements Disposable {
  readonly #socket = new NetlinkSocket('route')
  readonly #onChange: () => void
  #follow: Disposable | undefined
  #links = new Map<number, Link>()
  #addresses = new Map<string, InterfaceAddress>()

  private constructor(onChange: () => void) {
    this.#onChange = onChange
  }

  /** `onChange`: something is otherwise than before. @throws InfraError */
  static async open(onChange: () => void): Promise<Links> {
    const links = new Links(onChange)
    try {
      // Listening first: what changes while all is being asked for is heard, too.
      const groups = [routeGroups.links, routeGroups.ipv4Addresses, routeGroups.ipv6Addresses]
      links.#follow = followNetlink('route', groups, (news) => links.#hear(news))
      await links.#askAll()
      return links
    } catch (error) {
      links[Symbol.dispose]()
      throw error
    }
  }

  byName(name: string): Link | undefined {
    return [...this.#links.values()].find((link) => link.name === name)
  }

  all(): readonly Link[] {
    return [...this.#links.values()]
  }

  /** In the order in which the kernel has them: its first one is its own. */
  addresses(index?: number): readonly InterfaceAddress[] {
    return [...this.#addresses.values()].filter((one) => index === undefined || one.interface === index)
  }

  /** False when it stands there already. @throws NetlinkError */
  addAddress(address: NewAddress): boolean {
    const flags = messageFlags.create | messageFlags.exclusive
    const verb = `add the address ${address.address}/${address.prefix}`
    return this.#unless('EEXIST', routeMessages.newAddress, flags, encodeNewAddress(address), verb)
  }

  /** False when there was none. @throws NetlinkError */
  removeAddress(address: Places): boolean {
    const verb = `remove the address ${address.address}/${address.prefix}`
    return this.#unless('EADDRNOTAVAIL', routeMessages.deleteAddress, 0, encodeOldAddress(address), verb)
  }

  /** An interface with its own Ethernet address on top of another, not up yet. False when one of that name is there. @throws NetlinkError */
  addMacvlan(name: string, parent: Link, mac: string): boolean {
    const flags = messageFlags.create | messageFlags.exclusive
    const payload = encodeNewMacvlan(name, parent.index, mac)
    return this.#unless('EEXIST', routeMessages.newLink, flags, payload, `make the interface ${name}`)
  }

  /** @throws NetlinkError */
  setUp(index: number): void {
    this.#socket.request({
      type: routeMessages.newLink,
      payload: encodeLinkUp(index),
      verb: `set interface ${index} up`,
    })
  }

  /** @throws NetlinkError */
  removeLink(index: number): boolean {
    return this.#unless('ENODEV', routeMessages.deleteLink, 0, encodeOldLink(index), `remove interface ${index}`)
  }

  /** What was just changed is known from here on, and not only when the kernel's news have come. */
  async refresh(): Promise<void> {
    await this.#askAll()
  }

  [Symbol.dispose](): void {
    this.#follow?.[Symbol.dispose]()
    this.#socket[Symbol.dispose]()
  }

  #unless(harmless: string, type: number, flags: number, payload: Uint8Array, verb: string): boolean {
    try {
      this.#socket.request({ type, flags, payload, verb })
      return true
    } catch (error) {
      if (error instanceof NetlinkError && error.errno === harmless) return false
      throw error
    }
  }

  async #askAll(): Promise<void> {
    const links = await this.#dump(routeMessages.getLink, linksQuestion(), 'list interfaces')
    const addresses = await this.#dump(routeMessages.getAddress, addressesQuestion(), 'list addresses')
    this.#links = new Map(links.map(({ payload }) => decodeLink(payload)).map((link) => [link.index, link]))
    this.#addresses = new Map(
      addresses.flatMap(({ payload }) => decodeAddress(payload) ?? []).map((address) => [keyOf(address), address]),
    )
  }

  #dump(type: number, payload: Uint8Array, verb: string): Promise<NetlinkMessage[]> {
    return this.#socket.dump({ type, payload, verb })
  }

  #hear(news: NetlinkNews): void {
    if (news.kind === 'missed') void this.#askAll().then(this.#onChange)
    else {
      for (const message of news.messages) this.#take(message)
      this.#onChange()
    }
  }

  #take({ type, payload }: NetlinkMessage): void {
    if (type === routeMessages.newLink || type === routeMessages.deleteLink) {
      const link = decodeLink(payload)
      if (type === routeMessages.newLink) this.#links.set(link.index, link)
      else this.#links.delete(link.index)
    }
    if (type !== routeMessages.newAddress && type !== routeMessages.deleteAddress) return
    const address = decodeAddress(payload)
    if (address === undefined) return
    if (type === routeMessages.newAddress) this.#addresses.set(keyOf(address), address)
    else this.#addresses.delete(keyOf(address))
  }
}

function keyOf({ interface: index, address, prefix }: Places): string {
  return `${index} ${address}/${prefix}`
}
