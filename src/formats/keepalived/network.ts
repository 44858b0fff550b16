/** Addresses, routes and rules as a keepalived.conf has them: iproute2's words, each line by itself. */
import { parseAddress } from '../../lvs/address.ts'
import { familyOf } from '../../lvs/service.ts'
import type { Names } from '../iproute/names.ts'
import { readRoute } from '../iproute/read-route.ts'
import { readRule } from '../iproute/read-rule.ts'
import type { ReadLine } from '../iproute/reader.ts'
import type { Route } from '../iproute/route.ts'
import type { Rule } from '../iproute/rule.ts'
import type { Report } from './finding.ts'
import { readInteger } from './keyword.ts'
import { type Entry, lacksWord } from './tree.ts'

type Known = (name: string) => boolean

/** Words of an address that take a value, and those that do not. */
const addressWords: Readonly<Record<string, boolean>> = {
  dev: true, brd: true, broadcast: true, scope: true, label: true, peer: true, preferred_lft: true, track_group: true,
  home: false, '-nodad': false, nodad: false, mngtmpaddr: false, noprefixroute: false, autojoin: false, no_track: false,
  use_vmac: false,
} // biome-ignore format: a list to read at a glance

/** `IP[/M] [dev IF] [brd …] …`, and whether the interface is there. */
export function reportAddress({ keyword: written, words, place }: Entry, known: Known, report: Report): void {
  const [host = '', prefix] = written.split('/')
  const address = parseAddress(host)
  if (address === undefined) {
    report(5, place, `VRRP parsed invalid IP ${written}. skipping IP...`)
    return
  }
  const most = familyOf(address) === 'ipv4' ? 32 : 128
  const length = prefix === undefined ? most : readInteger(prefix, { min: 0, max: most })
  if (typeof length === 'string') {
    report(5, place, length)
    report(5, place, `Invalid address prefix len ${prefix ?? ''} for address ${written} - using ${most}`)
  }
  for (let at = 0; at < words.length; at += 1) {
    const word = words[at] ?? ''
    if (!Object.hasOwn(addressWords, word))
      report(5, place, `Unknown configuration entry '${word}' for ip address - ignoring`)
    else if (addressWords[word] === true) {
      at += 1
      const value = words[at] ?? ''
      if (word === 'dev' && !known(value)) {
        report(5, place, `WARNING - interface ${value} for ip address ${written} doesn't exist`)
        return
      }
    }
  }
}

/** The route, or undefined of one that keepalived passes over. @throws Unreadable where a word lacks its value. */
export function reportRoute(entry: Entry, around: RoutingAround): Route | undefined {
  return judged(entry, around, {
    read: (words) => readRoute(words, around.names),
    before: ['dev'],
    missing: (link) => `WARNING - interface ${link} for VROUTE nexthop doesn't exist`,
  })
}

/** As of routes. A rule without a preference has the next one below 16384. */
export function reportRule(entry: Entry, next: { preference: number }, around: RoutingAround): Rule | undefined {
  return judged(entry, around, {
    read: (words) => readRule(words, around.names, next),
    before: ['iif', 'oif', 'dev'],
    missing: (link) => `WARNING - interface ${link} for rule doesn't exist`,
  })
}

type Kind<T> = {
  read(words: readonly string[]): ReadLine<T>
  /** The words before interfaces. */
  readonly before: readonly string[]
  missing(link: string): string
}

/** keepalived reads no further than to an interface that is not there. */
function judged<T>(entry: Entry, { known, isStatic, report }: RoutingAround, kind: Kind<T>): T | undefined {
  const words = wordsOf(entry, isStatic)
  const at = words.findIndex((word, index) => kind.before.includes(words[index - 1] ?? '') && !known(word))
  if (at < 0) return taken(kind.read(words), entry, report)
  const before = kind.read(words.slice(0, at + 1))
  taken(before, entry, report)
  if (before.kind !== 'wrong') report(5, entry.place, kind.missing(words[at] ?? ''))
  const whole = kind.read(words)
  return whole.kind === 'read' ? whole.value : undefined
}

export type RoutingAround = {
  readonly names: Names
  readonly known: Known
  /** Only what always stands has a track_group. */
  readonly isStatic: boolean
  readonly report: Report
}

/** Without `track_group`, which is no word of iproute2. */
export function wordsOf({ keyword, words }: Entry, isStatic: boolean): readonly string[] {
  const all = [keyword, ...words]
  const at = isStatic ? all.indexOf('track_group') : -1
  return at < 0 ? all : all.toSpliced(at, 2)
}

function taken<T>(read: ReadLine<T>, { keyword, place }: Entry, report: Report): T | undefined {
  if (read.kind === 'lacks') lacksWord(keyword, read.keyword, read.position, place, report)
  for (const said of read.said) report(5, place, said)
  return read.kind === 'read' ? read.value : undefined
}
