/** Routes and rules of this namespace, added, removed and followed: rtnetlink(7). */
import type { Route } from '../formats/iproute/route.ts'
import type { Rule } from '../formats/iproute/rule.ts'
import { messageFlags } from '../wire/netlink.ts'
import { encodeRoute, type IndexOf, routeChangeGroups, routeMessages } from '../wire/routes.ts'
import { encodeRule, ruleChangeGroups, ruleMessages } from '../wire/rules.ts'
import { followNetlink, NetlinkError, NetlinkSocket } from './netlink.ts'

/** How the kernel says that a route or rule is not there, or that what it led through has gone. */
const isGone = ['ESRCH', 'ENOENT', 'ENODEV', 'ENETDOWN']

export class Routing implements Disposable {
  readonly #socket = new NetlinkSocket('route')

  /**
   * False when it stands there already, or one of its interfaces does not: then it is for whoever watches interfaces to try
   * again. `name` tells errors which one. @throws NetlinkError
   */
  addRoute(route: Route, name: string, indexOf: IndexOf): boolean {
    const payload = encodeRoute(route, indexOf)
    const flags = messageFlags.create | (route.isAppended ? messageFlags.append : 0)
    return (
      payload !== undefined && this.#unless(['EEXIST'], routeMessages.newRoute, flags, payload, `add the route ${name}`)
    )
  }

  /** False when there was none. @throws NetlinkError */
  removeRoute(route: Route, name: string, indexOf: IndexOf): boolean {
    const payload = encodeRoute(route, indexOf)
    return (
      payload !== undefined && this.#unless(isGone, routeMessages.deleteRoute, 0, payload, `remove the route ${name}`)
    )
  }

  /** False when it stands there already. @throws NetlinkError */
  addRule(rule: Rule, name: string): boolean {
    const flags = messageFlags.create | messageFlags.exclusive
    return this.#unless(['EEXIST'], ruleMessages.newRule, flags, encodeRule(rule), `add the rule ${name}`)
  }

  /** False when there was none. @throws NetlinkError */
  removeRule(rule: Rule, name: string): boolean {
    return this.#unless(isGone, ruleMessages.deleteRule, 0, encodeRule(rule), `remove the rule ${name}`)
  }

  [Symbol.dispose](): void {
    this.#socket[Symbol.dispose]()
  }

  #unless(harmless: readonly string[], type: number, flags: number, payload: Uint8Array, verb: string): boolean {
    try {
      this.#socket.request({ type, flags, payload, verb })
      return true
    } catch (error) {
      if (error instanceof NetlinkError && harmless.includes(error.errno)) return false
      throw error
    }
  }
}

/** Whenever a route or rule has gone, or some may have. @throws InfraError */
export function followRemovals(onRemoval: () => void): Disposable {
  const groups = [...Object.values(routeChangeGroups), ...Object.values(ruleChangeGroups)]
  return followNetlink('route', groups, (news) => {
    const isRemoval =
      news.kind === 'missed' ||
      news.messages.some(({ type }) => type === routeMessages.deleteRoute || type === ruleMessages.deleteRule)
    if (isRemoval) onRemoval()
  })
}
