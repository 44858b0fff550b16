/** The routes and rules of a keepalived.conf, of its instances and those that always stand. Pure. */
import type { Names } from '../iproute/names.ts'
import { readRoute } from '../iproute/read-route.ts'
import { readRule } from '../iproute/read-rule.ts'
import type { ReadLine } from '../iproute/reader.ts'
import { formatRoute, interfacesOf } from '../iproute/route.ts'
import { formatRule } from '../iproute/rule.ts'
import type { Place } from './finding.ts'
import { wordsOf } from './network.ts'
import { allOf, type Entry } from './tree.ts'

export type Way = {
  readonly place: Place
  /** As iproute2 has it, names as numbers. */
  readonly text: string
  /** It is lost with these. */
  readonly interfaces: readonly string[]
  /** Its instances are at fault without them. */
  readonly trackGroup?: string
  /** Why Baton does not carry it out. */
  readonly refused?: string
}

export type Ways = { readonly routes: readonly Way[]; readonly rules: readonly Way[] }

/** Of each block that has some. Those that keepalived passes over are not there; what is wrong is said elsewhere. */
export function readWays(entries: readonly Entry[], names: Names): ReadonlyMap<Entry, Ways> {
  // Rules without a preference are numbered in the order of the file.
  const next = { preference: 16_384 }
  const isStatic = ({ keyword }: Entry): boolean => keyword === 'static_routes' || keyword === 'static_rules'
  return new Map(
    entries.flatMap((entry) => {
      if (!isStatic(entry) && entry.keyword !== 'vrrp_instance') return []
      const blocks = isStatic(entry) ? [entry] : allOf(entry.entries, 'virtual_routes', 'virtual_rules')
      const lines = (kind: 'routes' | 'rules') =>
        blocks.flatMap(({ keyword, entries: inner }) => (keyword.endsWith(kind) ? inner : []))
      const words = (line: Entry) => wordsOf(line, isStatic(entry))
      const ways: Ways = {
        routes: lines('routes').flatMap((line) =>
          wayOf(line, readRoute(words(line), names), formatRoute, (route) =>
            route.isTracked ? interfacesOf(route) : [],
          ),
        ),
        rules: lines('rules').flatMap((line) =>
          wayOf(line, readRule(words(line), names, next), formatRule, (rule) =>
            rule.isTracked && rule.in !== undefined ? [rule.in] : [],
          ),
        ),
      }
      return ways.routes.length + ways.rules.length === 0 ? [] : [[entry, ways] as const]
    }),
  )
}

function wayOf<T>(
  { words, place }: Entry,
  read: ReadLine<T>,
  format: (value: T) => string,
  interfaces: (value: T) => readonly string[],
): Way[] {
  if (read.kind !== 'read') return []
  const at = words.indexOf('track_group')
  const group = at < 0 ? undefined : words[at + 1]
  return [
    {
      place,
      text: format(read.value),
      interfaces: interfaces(read.value),
      ...(group === undefined ? {} : { trackGroup: group }),
      ...(read.refused === undefined ? {} : { refused: read.refused }),
    },
  ]
}
