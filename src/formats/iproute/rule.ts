/** A rule that says which routing table a packet goes by, in iproute2's words, ip-rule(8): plain data, and its words again. Pure. */
import { type Cidr, formatCidr } from '../../lvs/address.ts'
import type { Family } from '../../lvs/service.ts'
import { ownProtocol } from './names.ts'
import { formatRealms, type Realms } from './route.ts'

export type RuleAction =
  | { readonly kind: 'table'; readonly table: number }
  | { readonly kind: 'goto'; readonly preference: number }
  | { readonly kind: 'nop' | 'blackhole' | 'unreachable' | 'prohibit' | 'l3mdev' }

export type NumberRange = { readonly first: number; readonly last: number }

export type Rule = {
  readonly family: Family
  readonly isInverted?: true
  readonly from?: Cidr
  readonly to?: Cidr
  readonly action: RuleAction
  readonly preference: number
  readonly tos?: number
  readonly mark?: { readonly value: number; readonly mask?: number }
  readonly realms?: Realms
  /** Packets that come in there, or go out. */
  readonly in?: string
  readonly out?: string
  readonly protocol: number
  /** The table's routes of this length and shorter are passed over. */
  readonly suppressedLength?: number
  readonly suppressedGroup?: number
  readonly users?: NumberRange
  /** Of IP. */
  readonly transport?: number
  readonly sourcePorts?: NumberRange
  readonly ports?: NumberRange
  readonly isTracked: boolean
}

/** Reads back as the same rule (`readRule`). */
export function formatRule(rule: Rule): string {
  const { action, mark } = rule
  const words = (name: string, value: string | number | undefined): string[] =>
    value === undefined ? [] : [name, String(value)]
  const range = (of: NumberRange | undefined): string | undefined =>
    of && (of.first === of.last ? String(of.first) : `${of.first}-${of.last}`)
  return [
    ...(rule.isInverted ? ['not'] : []),
    ...words('from', rule.from && formatCidr(rule.from)),
    ...words('to', rule.to && formatCidr(rule.to)),
    ...words('tos', rule.tos === undefined ? undefined : `0x${rule.tos.toString(16)}`),
    ...words('fwmark', mark && (mark.mask === undefined ? hex(mark.value) : `${hex(mark.value)}/${hex(mark.mask)}`)),
    ...words('iif', rule.in),
    ...words('oif', rule.out),
    ...words('uidrange', rule.users && `${rule.users.first}-${rule.users.last}`),
    ...words('ipproto', rule.transport),
    ...words('sport', range(rule.sourcePorts)),
    ...words('dport', range(rule.ports)),
    ...words('realms', rule.realms && formatRealms(rule.realms)),
    ...(action.kind === 'table' ? ['table', String(action.table)] : action.kind === 'goto' ? ['goto', String(action.preference)] : [action.kind]),
    ...words('suppress_prefixlength', rule.suppressedLength),
    ...words('suppress_ifgroup', rule.suppressedGroup),
    ...words('protocol', rule.protocol === ownProtocol ? undefined : rule.protocol),
    'preference', String(rule.preference),
    ...(rule.isTracked ? [] : ['no_track']),
    // keepalived passes over the word after it.
    ...(rule.family === 'ipv6' && rule.from === undefined && rule.to === undefined ? ['inet6', '-'] : []),
  ].join(' ') // biome-ignore format: a line for each word
}

function hex(number: number): string {
  return `0x${number.toString(16)}`
}
