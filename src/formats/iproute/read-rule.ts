/** Reads a rule by iproute2's words, in keepalived's dialect, and says what stands against it in its words. Pure. */
import { type Family, familyOf } from '../../lvs/service.ts'
import { type Names, ownProtocol } from './names.ts'
import { readRealms, readTos } from './read-route.ts'
import { type Reader, type ReadLine, readLine } from './reader.ts'
import type { NumberRange, Rule, RuleAction } from './rule.ts'

type Draft = {
  -readonly [Key in keyof Omit<Rule, 'family' | 'action' | 'preference' | 'protocol' | 'isTracked'>]?: Rule[Key]
} & { family?: Family; action?: RuleAction; preference?: number; protocol?: number; isTracked?: boolean }

const u32 = { min: 0, max: 4_294_967_295 }

/** `next`: the preference of a rule that has none; one less each time. */
export function readRule(words: readonly string[], names: Names, next: { preference: number }): ReadLine<Rule> {
  return readLine(words, names, (reader) => {
    const draft: Draft = {}
    for (let word = reader.next(); word !== undefined; word = reader.next()) takeWord(word, draft, reader)
    return finished(draft, reader, next)
  })
}

function finished(draft: Draft, reader: Reader, next: { preference: number }): Rule {
  const { family = 'ipv4', action, protocol = ownProtocol, isTracked = true, ...more } = draft
  if (action === undefined) return reader.fail('No action specified for rule - ignoring')
  const { preference: written, suppressedLength, suppressedGroup, realms } = draft
  if (action.kind === 'goto') {
    const { preference: target } = action
    if (written === undefined) return reader.fail(`Invalid rule - goto target ${target} specified without preference`)
    if (written >= target) return reader.fail(`Invalid rule - preference ${written} >= goto target ${target}`)
  }
  const selects = [suppressedLength, suppressedGroup, realms].some((one) => one !== undefined)
  if (selects && action.kind !== 'table' && action.kind !== 'l3mdev')
    return reader.fail('suppressor/realm specified for non table action - skipping')
  if (isTracked && protocol !== ownProtocol)
    reader.said.push('Rule cannot be tracked if protocol is not RTPROT_KEEPALIVED(18), resetting protocol')
  if (written === undefined) {
    reader.said.push(
      `Rule has no preference specified - setting to ${next.preference}. This is probably not what you want.`,
    )
    next.preference -= 1
  }
  const preference = written ?? next.preference + 1
  return { ...more, family, action, preference, protocol: isTracked ? ownProtocol : protocol, isTracked }
}

const several = (more: string): string =>
  `Cannot specify more than one of table/nop/goto/blackhole/prohibit/unreachable${more} for rule`

function act(draft: Draft, reader: Reader, action: RuleAction, message = several('/l3mdev')): void {
  if (draft.action !== undefined) reader.fail(message)
  draft.action = action
}

type Take = (draft: Draft, reader: Reader, word: string) => void

function takeWord(word: string, draft: Draft, reader: Reader): void {
  const take = takers[word]
  if (Object.hasOwn(takers, word) && take !== undefined) return take(draft, reader, word)
  const name = word === 'type' ? reader.value(word) : word
  if (name === 'nop' || name === 'blackhole' || name === 'unreachable' || name === 'prohibit')
    return act(draft, reader, { kind: name })
  reader.fail(otherTypes.has(name) ? `Invalid rule action ${name}` : `Unknown rule option ${name}`)
}

/** Types of routes that no rule has, by names and numbers. */
const otherTypes = new Set([
  'unspec', 'unicast', 'local', 'broadcast', 'anycast', 'multicast', 'throw', 'nat', 'xresolve', '0', '1', '2', '3', '4',
  '5', '9', '10', '11',
]) // biome-ignore format: a list to read at a glance

function network(key: 'from' | 'to'): Take {
  return (draft, reader, word) => {
    const value = reader.value(word)
    if (value === 'all' || value === 'any' || value === 'default') return
    const read = reader.network(value, `Invalid rule ${key} address ${value}`)
    const family = familyOf(read.address)
    if (draft.family !== undefined && draft.family !== family)
      return reader.fail('rule specification has mixed IPv4 and IPv6')
    draft.family = family
    draft[key] = read
  }
}

/** keepalived passes over the word after it, whatever that is. */
function takeFamily(family: Family, name: string): Take {
  return (draft, reader) => {
    if (draft.family !== undefined && draft.family !== family)
      return reader.fail(`${name} specified for ${draft.family === 'ipv4' ? 'IPv4' : 'IPv6'} rule`)
    draft.family = family
    reader.next()
  }
}

const table: Take = (draft, reader, word) => {
  const value = reader.value(word)
  const number = reader.named('table', value, u32.max, `Routing table ${value} not found for rule`)
  if (number === 0) return reader.fail('Table 0 is not valid')
  act(draft, reader, { kind: 'table', table: number }, several(''))
}
const preference: Take = (draft, reader, word) => {
  draft.preference = reader.integer(reader.value(word), u32, `Invalid rule preference ${word} specified`)
}
const tos: Take = (draft, reader, word) => {
  draft.tos = readTos(reader, reader.value(word))
}
const comesIn: Take = (draft, reader, word) => {
  draft.in = reader.value(word)
}
const length: Take = (draft, reader, word) => {
  draft.suppressedLength = reader.integer(
    reader.value(word),
    { min: 0, max: 2_147_483_647 },
    `Invalid suppress_prefixlength ${word} specified`,
  )
}
const interfaceGroup: Take = (draft, reader, word) => {
  const value = reader.value(word)
  draft.suppressedGroup = reader.named('group', value, u32.max, `suppress_group ${value} is invalid`)
}

const takers: Readonly<Record<string, Take>> = {
  not(draft) {
    draft.isInverted = true
  },
  from: network('from'),
  to: network('to'),
  inet: takeFamily('ipv4', 'inet'),
  inet6: takeFamily('ipv6', 'inet6'),
  table,
  lookup: table,
  preference,
  priority: preference,
  order: preference,
  tos,
  dsfield: tos,
  iif: comesIn,
  dev: comesIn,
  oif(draft, reader, word) {
    draft.out = reader.value(word)
  },
  fwmark(draft, reader, word) {
    const value = reader.value(word)
    const [mark, mask] = value
      .split('/')
      .map((part) => (/^(0[xX][0-9A-Fa-f]{1,8}|[0-9]{1,10})$/.test(part) ? Number(part) : u32.max + 1))
    if (value.split('/').length > 2 || mark === undefined || mark > u32.max || (mask ?? 0) > u32.max)
      return reader.fail(`Invalid rule fwmark ${value} specified`)
    draft.mark = { value: mark, ...(mask === undefined ? {} : { mask }) }
  },
  realms(draft, reader, word) {
    const value = reader.value(word)
    draft.realms = readRealms(reader, value, `invalid realms ${value} for rule`)
  },
  goto(draft, reader, word) {
    const target = reader.integer(reader.value(word), u32, `Invalid target ${word} specified`)
    act(draft, reader, { kind: 'goto', preference: target })
  },
  suppress_prefixlength: length,
  sup_pl: length,
  suppress_ifgroup: interfaceGroup,
  sup_group: interfaceGroup,
  uidrange(draft, reader, word) {
    const range = rangeOf(reader.value(word), u32.max)
    if (range === undefined || range.isOne) return reader.fail(`Invalid uidrange ${word} specified`)
    draft.users = { first: range.first, last: range.last }
  },
  l3mdev(draft, reader) {
    act(draft, reader, { kind: 'l3mdev' }, 'Cannot specify l3mdev with other action')
  },
  protocol(draft, reader, word) {
    const value = reader.value(word)
    draft.protocol = reader.integer(value, { min: 0, max: 255 }, `Invalid protocol ${value}`)
  },
  ipproto(draft, reader, word) {
    const value = reader.value(word)
    const number = /^[0-9]{1,3}$/.test(value) ? Number(value) : transports[value]
    if (number === undefined || number > 255) return reader.fail(`Invalid ipproto ${value}`)
    draft.transport = number
  },
  sport: ports('sourcePorts'),
  dport: ports('ports'),
  no_track(draft) {
    draft.isTracked = false
  },
}

/** IANA's numbers of what rules are written for. */
const transports: Readonly<Record<string, number>> = { icmp: 1, tcp: 6, udp: 17, dccp: 33, gre: 47, esp: 50, ah: 51, 'ipv6-icmp': 58, sctp: 132, udplite: 136 } // biome-ignore format: a list to read at a glance

function ports(key: 'sourcePorts' | 'ports'): Take {
  return (draft, reader, word) => {
    const value = reader.value(word)
    const range = rangeOf(value, 65_535)
    if (range === undefined || range.first === 0) return reader.fail(`invalid ${word} range ${value}`)
    draft[key] = { first: range.first, last: range.last }
  }
}

function rangeOf(text: string, most: number): (NumberRange & { readonly isOne: boolean }) | undefined {
  const [, first = '', last] = /^([0-9]{1,10})(?:-([0-9]{1,10}))?$/.exec(text) ?? []
  const range = { first: Number(first), last: Number(last ?? first), isOne: last === undefined }
  return first === '' || range.first > most || range.last > most ? undefined : range
}
