/** Routes and rules that the master has beside its addresses, or that always stand: put there, taken away, brought back. */
import { commonNames } from '../formats/iproute/names.ts'
import { readRoute } from '../formats/iproute/read-route.ts'
import { readRule } from '../formats/iproute/read-rule.ts'
import { faultOf } from '../formats/iproute/reader.ts'
import { interfacesOf, type Route } from '../formats/iproute/route.ts'
import type { Rule } from '../formats/iproute/rule.ts'
import { followRemovals, Routing } from '../os/routing.ts'
import type { IndexOf } from '../wire/routes.ts'
import type { Troubles } from './ground.ts'
import type { WaySpec } from './spec.ts'
import { attempt } from './virtual-interface.ts'

const noPreference = { preference: 0 }

export class Ways implements Disposable {
  readonly #routing = new Routing()
  readonly #indexOf: IndexOf
  readonly #onRemoval: () => void
  #following: Disposable | undefined

  constructor(indexOf: IndexOf, onRemoval: () => void) {
    this.#indexOf = indexOf
    this.#onRemoval = onRemoval
  }

  /** Those that stand already are well. `again`: only what is to be brought back when it has gone. */
  claim({ routes = [], rules = [] }: WaySpec, again = false): Troubles {
    if (routes.length + rules.length > 0) this.#following ??= followRemovals(this.#onRemoval)
    const isMeant = (one: Route | Rule): boolean => !again || one.isTracked
    return [
      ...routes.flatMap((text) =>
        this.#route(text, (route) => isMeant(route) && this.#routing.addRoute(route, text, this.#indexOf)),
      ),
      ...rules.flatMap((text) => this.#rule(text, (rule) => isMeant(rule) && this.#routing.addRule(rule, text))),
    ]
  }

  /** In the other order. */
  release({ routes = [], rules = [] }: WaySpec): Troubles {
    return [
      ...rules.toReversed().flatMap((text) => this.#rule(text, (rule) => this.#routing.removeRule(rule, text))),
      ...routes
        .toReversed()
        .flatMap((text) => this.#route(text, (route) => this.#routing.removeRoute(route, text, this.#indexOf))),
    ]
  }

  [Symbol.dispose](): void {
    this.#following?.[Symbol.dispose]()
    this.#routing[Symbol.dispose]()
  }

  #route(text: string, body: (route: Route) => unknown): Troubles {
    const read = readRoute(text.split(' '), commonNames)
    return read.kind === 'read' ? attempt(() => body(read.value)) : [`the route ${text}: ${faultOf(read) ?? ''}`]
  }

  #rule(text: string, body: (rule: Rule) => unknown): Troubles {
    const read = readRule(text.split(' '), commonNames, { ...noPreference })
    return read.kind === 'read' ? attempt(() => body(read.value)) : [`the rule ${text}: ${faultOf(read) ?? ''}`]
  }
}

/** Of those that are to be brought back: they are lost with these. */
export function interfacesOfWays({ routes = [], rules = [] }: WaySpec): readonly string[] {
  return [
    ...routes.flatMap((text) => {
      const read = readRoute(text.split(' '), commonNames)
      return read.kind === 'read' && read.value.isTracked ? interfacesOf(read.value) : []
    }),
    ...rules.flatMap((text) => {
      const read = readRule(text.split(' '), commonNames, { ...noPreference })
      return read.kind === 'read' && read.value.isTracked ? (read.value.in ?? []) : []
    }),
  ]
}

/** What of the one is not in the other. */
export function waysWithout(of: WaySpec, other: WaySpec): WaySpec {
  return {
    routes: (of.routes ?? []).filter((text) => other.routes?.includes(text) !== true),
    rules: (of.rules ?? []).filter((text) => other.rules?.includes(text) !== true),
  }
}
