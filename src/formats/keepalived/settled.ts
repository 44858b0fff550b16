/** What does not go together in a VRRP instance: set right as keepalived does it (its vrrp_complete_instance), and said. */
import type { Report } from './finding.ts'
import { allOf, type Entry, lastOf } from './tree.ts'

type Say = (message: string) => void
type Standing = { readonly name: string; readonly id: number; readonly family: string; readonly link: string }

/** An instance as far as the rules ask for it. */
type Draft = {
  readonly name: string
  readonly entries: readonly Entry[]
  readonly globals: readonly Entry[]
  readonly isIpv6: boolean
  readonly version: number
  /** Kept to the RFCs: `vrrp_strict`, or its own `strict_mode`. */
  readonly isStrict: boolean
  readonly isOwner: boolean
  /** It begins as master. */
  readonly isMaster: boolean
}

/** Ends with the first instance that lacks what it must have. */
export function reportSettled(entries: readonly Entry[], report: Report): void {
  const globals = lastOf(entries, 'global_defs')?.entries ?? []
  const standing: Standing[] = []
  for (const { words, entries: inner } of allOf(entries, 'vrrp_instance')) {
    const say = (message: string): void => report(5, undefined, `(${words[0] ?? ''}) ${message}`)
    const draft = draftOf(words[0] ?? '', inner, globals, say)
    reportAuthentication(draft, say)
    if (!hasAddresses(draft, say)) return
    reportPreemption(draft, say)
    if (draft.isStrict) reportStrict(draft, say)
    reportInterval(draft, say)
    reportLinks(draft, say)
    const link = lastOf(inner, 'interface')?.words[0] ?? ''
    const id = Number(lastOf(inner, 'virtual_router_id')?.value)
    if (!hasPeers(inner)) standing.push({ name: draft.name, id, family: draft.isIpv6 ? 'IPv6' : 'IPv4', link })
  }
  reportTwins(standing, (message) => report(5, undefined, message))
}

export function hasPeers(entries: readonly Entry[]): boolean {
  return (lastOf(entries, 'unicast_peer')?.entries.length ?? 0) > 0
}

function draftOf(name: string, entries: readonly Entry[], globals: readonly Entry[], say: Say): Draft {
  const isIpv6 = lastOf(entries, 'native_ipv6') !== undefined || addressesOf(entries)[0]?.includes(':') === true
  const isStrict = isKeptStrict(entries, globals)
  const written = Number(
    lastOf(entries, 'version')?.value ?? (isIpv6 ? 3 : (lastOf(globals, 'vrrp_version')?.value ?? 2)),
  )
  const isTooOld = isStrict && isIpv6 && written === 2
  if (isTooOld) say('cannot use IPv6 with VRRP version 2; setting version 3')
  const state = lastOf(entries, 'state')?.value
  const priority = lastOf(entries, 'priority')?.value ?? (state === 'MASTER' ? 255 : 100)
  const isOwner = priority === 255
  if (isStrict && state !== undefined && (state === 'MASTER') !== isOwner)
    say('State MASTER must match being address owner')
  const isMaster = isStrict || state === undefined ? isOwner : state === 'MASTER'
  return { name, entries, globals, isIpv6, version: isTooOld ? 3 : written, isStrict, isOwner, isMaster }
}

/** Whether an instance is kept to the RFCs: by its own `strict_mode`, else by `vrrp_strict` of global_defs. */
export function isKeptStrict(entries: readonly Entry[], globals: readonly Entry[]): boolean {
  const own = lastOf(entries, 'strict_mode')?.value
  if (typeof own === 'boolean') return own
  const common = lastOf(globals, 'vrrp_strict')
  return common !== undefined && common.value !== false
}

/** Those of its own family. */
function addressesOf(entries: readonly Entry[]): readonly string[] {
  const all = allOf(entries, 'virtual_ipaddress').flatMap((list) => list.entries.map(({ keyword }) => keyword))
  return lastOf(entries, 'native_ipv6') === undefined ? all : all.filter((address) => address.includes(':'))
}

function reportAuthentication({ entries, version, isStrict, isIpv6 }: Draft, say: Say): void {
  const inner = lastOf(entries, 'authentication')?.entries
  const type = lastOf(inner ?? [], 'auth_type')?.value
  if (inner === undefined || type === undefined) return
  if (isStrict) say('Strict mode does not support authentication. Ignoring.')
  else if (version === 3) say('VRRP version 3 does not support authentication. Ignoring.')
  else if (lastOf(inner, 'auth_pass') === undefined) say('Authentication specified but no password given. Ignoring')
  else if (type === 'AH' && isIpv6) say('Cannot use AH authentication with IPv6. ignoring')
  else if (type === 'AH' && lastOf(entries, 'state')?.value === 'MASTER')
    say('Initial state master is incompatible with AH authentication - clearing')
}

/** Whether the instance can stand with what it has. */
function hasAddresses({ entries, version, isStrict, isIpv6 }: Draft, say: Say): boolean {
  const [first] = addressesOf(entries)
  if (first === undefined) {
    const isNeeded = version === 3 || isStrict
    say(`No VIP specified; at least one is ${isNeeded ? 'required' : 'sensible'}`)
    if (isNeeded) return false
  }
  if (isStrict && isIpv6 && first !== undefined && !/^fe[89ab]/i.test(first))
    say('the first IPv6 VIP address must be link local')
  const isUnicast = ['unicast_src_ip', 'check_unicast_src', 'old_unicast_checksum'].some((one) => lastOf(entries, one))
  if (isUnicast && !hasPeers(entries))
    say(
      'A unicast keyword has been specified without any unicast peers. Defaulting to multicast. This usage is deprecated - please update your configuration.',
    )
  return true
}

function reportPreemption({ entries, isStrict, isOwner, isMaster }: Draft, say: Say): void {
  const isLate = lastOf(entries, 'nopreempt') !== undefined
  if (isLate && isOwner) say('nopreempt is incompatible with priority 255. resetting nopreempt')
  else if (isLate && isMaster) say('Warning - nopreempt will not work with initial state MASTER - clearing')
  if (!isSet(entries, 'preempt_delay')) return
  if (isMaster) {
    say('Warning - preempt delay will not work with initial state MASTER - clearing')
    return
  }
  if (isStrict) say('preempt_delay is incompatible with strict mode - resetting')
  if (isLate && !isOwner) say('preempt_delay is incompatible with nopreempt mode - resetting')
}

function isSet(entries: readonly Entry[], keyword: string): boolean {
  const value = lastOf(entries, keyword)?.value
  return value !== undefined && value !== 0
}

function reportStrict({ entries, globals, version, isOwner }: Draft, say: Say): void {
  const missed = (lastOf(entries, 'down_timer_adverts') ?? lastOf(globals, 'vrrp_down_timer_adverts'))?.value
  if (missed !== undefined && missed !== 3) say('down_timer_adverts is incompatible with strict mode - resetting')
  if (allOf(entries, 'accept', 'no_accept').at(-1)?.keyword === 'accept' && version === 2 && !isOwner)
    say('warning - accept mode for VRRP version 2 does not comply with RFC3768 - resetting')
  if (isSet(entries, 'garp_lower_prio_repeat')) say('Strict mode requires no repeat garps. resetting')
  if (isSet(entries, 'garp_lower_prio_delay')) say('Strict mode requires no repeat garp delay. resetting')
  if (lastOf(entries, 'lower_prio_no_advert')?.value === false)
    say('Strict mode requires no lower priority advert. resetting')
  if (lastOf(entries, 'higher_prio_send_advert')?.value === true)
    say('strict mode requires higher_prio_send_advert to be clear. resetting')
}

function reportInterval({ entries, version }: Draft, say: Say): void {
  const every = lastOf(entries, 'advert_int')?.value
  if (typeof every !== 'number') return
  if (version === 2 && !Number.isInteger(every))
    say(`VRRPv2 advertisement interval ${every.toFixed(6)}s must be an integer. rounding`)
  if (version === 3 && every >= 40.96)
    say(
      `VRRPv3 advertisement interval ${every.toFixed(2)}s is out of range. Must be less than 40.96s. Setting to 40.95s`,
    )
}

function reportLinks({ entries, isStrict, isIpv6 }: Draft, say: Say): void {
  const own = lastOf(entries, 'interface')?.words[0]
  for (const { keyword } of allOf(entries, 'track_interface').flatMap((list) => list.entries))
    if (keyword === own) say(`Ignoring track_interface ${keyword} since own interface`)
  const ipvlan = lastOf(entries, 'use_ipvlan')
  const hasSource = lastOf(entries, 'mcast_src_ip') !== undefined || lastOf(entries, 'unicast_src_ip') !== undefined
  if (ipvlan !== undefined && !isIpv6 && !hasSource && !ipvlan.words.some((word) => word.includes('.')))
    say('IPv4 ipvlan requires a source ip address to be configured. setting instance to fault state')
  if (lastOf(entries, 'vmac_xmit_base') === undefined) return
  if (ipvlan !== undefined || lastOf(entries, 'use_vmac') === undefined) say('vmac_xmit_base is only valid with a vmac')
  else if (isStrict) say('xmit_base is incompatible with strict mode - resetting')
}

function reportTwins(standing: readonly Standing[], say: Say): void {
  const seen = new Map<string, string>()
  for (const { name, id, family, link } of standing) {
    const key = `${id} ${family} ${link}`
    const other = seen.get(key)
    if (other === undefined) seen.set(key, name)
    else say(`${other} and ${name} both use VRID ${id} with ${family} on interface ${link}`)
  }
}
