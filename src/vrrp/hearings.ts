/** Where virtual routers listen: one socket for an interface and family, as two would hear everything twice. */
import { describeError } from '../errors.ts'
import type { Family } from '../lvs/service.ts'
import type { Link, Links } from '../os/links.ts'
import { hearProtocol } from '../os/raw-ip.ts'
import type { IpPacket } from '../wire/ip.ts'
import { AH, behindAuthenticationHeader, VRRP } from '../wire/vrrp.ts'
import type { Troubles } from './ground.ts'
import type { RouterSpec } from './spec.ts'

export type OnPacket = (interfaceName: string, packet: IpPacket) => void

type Hearing = { readonly index: number; readonly groups: string; readonly listener: Disposable }

export class Hearings implements Disposable {
  readonly #all = new Map<string, Hearing>()

  /** Listens where these routers do, and nowhere else. Gives back what hinders it. */
  hear(routers: readonly RouterSpec[], links: Links, onPacket: OnPacket): Troubles {
    const troubles: string[] = []
    const wanted = wantedBy(routers)
    for (const [key, { index, groups, listener }] of this.#all) {
      const want = wanted.get(key)
      if (want !== undefined && links.byName(want.interface)?.index === index && want.groups.join() === groups) continue
      listener[Symbol.dispose]()
      this.#all.delete(key)
    }
    for (const [key, want] of wanted) {
      const link = links.byName(want.interface)
      if (link === undefined || this.#all.has(key)) continue
      try {
        const listener = listen(want, link, (packet) => onPacket(want.interface, packet))
        this.#all.set(key, { index: link.index, groups: want.groups.join(), listener })
      } catch (error) {
        troubles.push(describeError(error))
      }
    }
    return troubles
  }

  [Symbol.dispose](): void {
    for (const { listener } of this.#all.values()) listener[Symbol.dispose]()
  }
}

type Wanted = { readonly interface: string; readonly family: Family; readonly groups: readonly string[] }

function wantedBy(routers: readonly RouterSpec[]): Map<string, Wanted> {
  const wanted = new Map<string, Wanted>()
  for (const { config } of routers)
    for (const { interface: name, to } of config.paths) {
      const key = `${name} ${config.family}`
      const groups = [...(wanted.get(key)?.groups ?? []), ...(to.kind === 'multicast' ? [to.group] : [])]
      wanted.set(key, { interface: name, family: config.family, groups: [...new Set(groups)].toSorted() })
    }
  return wanted
}

/** Who wraps advertisements in an authentication header (IPv4 only) must not be taken for silent. */
function listen(want: Wanted, link: Link, onPacket: (packet: IpPacket) => void): Disposable {
  const plain = hearProtocol({ ...want, protocol: VRRP, link }, onPacket)
  if (want.family === 'ipv6') return plain
  try {
    const wrapped = hearProtocol({ ...want, protocol: AH, link }, (packet) => {
      const payload = behindAuthenticationHeader(packet.payload)
      if (payload !== undefined) onPacket({ ...packet, protocol: VRRP, payload })
    })
    return {
      [Symbol.dispose]: () => {
        plain[Symbol.dispose]()
        wrapped[Symbol.dispose]()
      },
    }
  } catch (error) {
    plain[Symbol.dispose]()
    throw error
  }
}
