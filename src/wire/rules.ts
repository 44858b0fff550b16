/** Rules of routing in routing netlink (Linux, include/uapi/linux/fib_rules.h). */
import type { NumberRange, Rule, RuleAction } from '../formats/iproute/rule.ts'
import { addressBytes } from '../lvs/address.ts'
import { joined } from './joined.ts'
import { type Attribute, encodeAttributes, text, u8, u16, u32 } from './netlink.ts'
import { encodeRealms, families } from './routes.ts'

export const ruleMessages = { newRule: 32, deleteRule: 33 } as const
/** RTNLGRP_…: who wants to hear of changes. */
export const ruleChangeGroups = { ipv4Rules: 8, ipv6Rules: 19 } as const

/** FR_ACT_…; l3mdev is one that looks into the table of a device. */
const actions: Readonly<Record<RuleAction['kind'], number>> = {
  table: 1, l3mdev: 1, goto: 2, nop: 3, blackhole: 6, unreachable: 7, prohibit: 8,
} // biome-ignore format: a list to read at a glance
const inverted = 2

/** ```
 *  struct fib_rule_hdr  0 family  1 destination's length  2 source's length  3 tos  4 table  7 action  8 flags (4)
 *  ``` */
const headerBytes = 12
const attributes = {
  to: 1, from: 2, in: 3, goto: 4, preference: 6, mark: 10, realms: 11, suppressedGroup: 13, suppressedLength: 14, table: 15,
  mask: 16, out: 17, l3mdev: 19, users: 20, protocol: 21, transport: 22, sourcePorts: 23, ports: 24,
} as const // biome-ignore format: a list to read at a glance

/** To add it as to remove it. */
export function encodeRule(rule: Rule): Uint8Array {
  const { family, from, to, tos = 0, action, mark, isInverted } = rule
  const header = new Uint8Array(headerBytes)
  const table = action.kind === 'table' ? action.table : 0
  const head = [
    families[family],
    to?.prefix ?? 0,
    from?.prefix ?? 0,
    tos,
    table < 256 ? table : 0,
    0,
    0,
    actions[action.kind],
  ]
  header.set([...head, isInverted ? inverted : 0])
  return joined([
    header,
    encodeAttributes([
      ...given(attributes.to, to, ({ address }) => addressBytes(address)),
      ...given(attributes.from, from, ({ address }) => addressBytes(address)),
      ...given(attributes.in, rule.in, text),
      ...given(attributes.out, rule.out, text),
      ...(action.kind === 'goto' ? [[attributes.goto, u32(action.preference)] as const] : []),
      [attributes.preference, u32(rule.preference)],
      ...given(attributes.mark, mark?.value, u32),
      ...given(attributes.mask, mark?.mask, u32),
      ...given(attributes.realms, rule.realms, encodeRealms),
      ...given(attributes.suppressedGroup, rule.suppressedGroup, u32),
      ...given(attributes.suppressedLength, rule.suppressedLength, u32),
      ...(action.kind === 'l3mdev' ? [[attributes.l3mdev, u8(1)] as const] : []),
      [attributes.table, u32(table)],
      ...given(attributes.users, rule.users, ({ first, last }) => joined([u32(first), u32(last)])),
      [attributes.protocol, u8(rule.protocol)],
      ...given(attributes.transport, rule.transport, u8),
      ...given(attributes.sourcePorts, rule.sourcePorts, range),
      ...given(attributes.ports, rule.ports, range),
    ]),
  ])
}

function range({ first, last }: NumberRange): Uint8Array {
  return joined([u16(first), u16(last)])
}

function given<T>(type: number, value: T | undefined, encode: (value: T) => Uint8Array): Attribute[] {
  return value === undefined ? [] : [[type, encode(value)]]
}
