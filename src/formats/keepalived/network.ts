/** Addresses, routes and rules as a keepalived.conf has them: iproute2's words, each line by itself. */
import { parseAddress } from '../../lvs/address.ts'
import { familyOf } from '../../lvs/service.ts'
import type { Report } from './finding.ts'
import { readInteger } from './keyword.ts'
import type { Entry } from './tree.ts'

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
      if (word === 'dev' && !known(value))
        report(5, place, `WARNING - interface ${value} for ip address ${written} doesn't exist`)
    }
  }
}

export function reportRoute({ keyword, words, place }: Entry, known: Known, report: Report): void {
  const all = [keyword, ...words]
  if (all.includes('or')) report(5, place, '"or" for routes is deprecated. Please use "nexthop"')
  if (all.includes('gw')) report(5, place, '"gw" for routes is deprecated. Please use "via"')
  const links = all.flatMap((word, at) => (word === 'dev' || word === 'oif' ? [all[at + 1] ?? ''] : []))
  for (const link of links)
    if (!known(link)) report(5, place, `WARNING - interface ${link} for VROUTE nexthop doesn't exist`)
  if (links.length > 0 || all.includes('no_track')) return
  const to = destination(all)
  if (to !== undefined) report(5, place, `Warning - cannot track route ${to} with no interface specified, not tracking`)
}

/** Of a route, with its length: `blackhole 10.0.0.0/8`, `src 10.0.0.2 to 10.1.0.0/16 via …`, `default via …`. */
function destination(words: readonly string[]): string | undefined {
  const after = words.indexOf('to')
  const takesValue = new Set(['src', 'via', 'gw', 'or', 'metric', 'table', 'scope', 'dev'])
  const free = words.find((word, at) => isDestination(word) && !takesValue.has(words[at - 1] ?? ''))
  const written = after >= 0 ? words[after + 1] : free
  if (written === undefined) return undefined
  if (written === 'default') return '0.0.0.0/0'
  return written.includes('/') ? written : `${written}/${written.includes(':') ? 128 : 32}`
}

function isDestination(word: string): boolean {
  return word === 'default' || parseAddress(word.split('/')[0] ?? '') !== undefined
}

/** A rule without a preference has the next one below 16384. */
export function reportRules(rules: readonly Entry[], next: { preference: number }, report: Report): void {
  for (const { keyword, words, place } of rules) {
    const all = [keyword, ...words]
    const wrong = all.flatMap((word, at) => {
      const value = all[at + 1] ?? ''
      return (word === 'from' || word === 'to') &&
        value !== 'all' &&
        parseAddress(value.split('/')[0] ?? '') === undefined
        ? [{ word, value }]
        : []
    })
    for (const { word, value } of wrong) {
      report(5, place, `VRRP parsed invalid IP ${value}. skipping IP...`)
      report(5, place, `Invalid rule ${word} address ${value}`)
    }
    if (wrong.length > 0 || all.some((word) => ['preference', 'pref', 'priority', 'order'].includes(word))) continue
    report(
      5,
      place,
      `Rule has no preference specified - setting to ${next.preference}. This is probably not what you want.`,
    )
    next.preference -= 1
  }
}
