/** What the VRRP blocks of a keepalived.conf say wrongly, beyond what the tables know. */
import { parseAddress } from '../../lvs/address.ts'
import { familyOf } from '../../lvs/service.ts'
import type { Report } from './finding.ts'
import { readInteger } from './keyword.ts'
import type { Machine } from './machine.ts'
import { reportAddress, reportRoute, reportRule } from './network.ts'
import { programOf } from './security.ts'
import { hasPeers, reportSettled } from './settled.ts'
import { allOf, type Entry, lastOf } from './tree.ts'

/** Where an interface is missing, keepalived looks no further than the blocks themselves: then it is false. */
export function reportVrrp(entries: readonly Entry[], machine: Machine, report: Report): boolean {
  const scripts = readScripts(entries, report)
  const missing = { interface: false }
  const known = (name: string): boolean => {
    const isThere = machine.interface(name) !== 'none'
    if (!isThere) missing.interface = true
    return isThere
  }
  const rules = { preference: 16_384 }
  for (const entry of entries) {
    const { keyword, entries: inner, words } = entry
    if (keyword === 'static_ipaddress') for (const one of inner) reportAddress(one, known, report)
    const routing = { names: machine.routingNames, known, isStatic: true, report }
    if (keyword === 'static_routes') for (const one of inner) reportRoute(one, routing)
    if (keyword === 'static_rules') for (const one of inner) reportRule(one, rules, routing)
    if (keyword === 'track_file' || keyword === 'vrrp_track_file')
      if (lastOf(inner, 'file') === undefined)
        report(5, entry.end, `No file set for track_file ${words[0] ?? ''} - ignoring`)
    if (keyword === 'vrrp_instance') reportInstance(entry, { scripts, machine, known, rules, report })
  }
  if (missing.interface && lastOf(lastOf(entries, 'global_defs')?.entries ?? [], 'dynamic_interfaces') === undefined) {
    report(5, undefined, 'Non-existent interface specified in configuration')
    return false
  }
  const instances = allOf(entries, 'vrrp_instance')
  if (instances.length > 0) reportPrograms(entries, machine, report)
  const astray = instances.filter(({ entries: inner }) => !hasInterface(inner))
  for (const { words } of astray) report(5, undefined, `(${words[0] ?? ''}) Unknown interface!`)
  if (astray.length > 0) return true
  const nameless = instances.find(({ entries: inner }) => lastOf(inner, 'virtual_router_id') === undefined)
  if (nameless !== undefined) {
    report(5, undefined, `(${nameless.words[0] ?? ''}) the virtual router id must be set`)
    return true
  }
  reportGroups(entries, report)
  reportSettled(entries, report)
  return true
}

function hasInterface(entries: readonly Entry[]): boolean {
  return (
    lastOf(entries, 'virtual_router_id') === undefined ||
    lastOf(entries, 'interface') !== undefined ||
    lastOf(entries, 'unicast_src_ip') !== undefined
  )
}

function reportPrograms(entries: readonly Entry[], machine: Machine, report: Report): void {
  for (const { words, entries: inner } of allOf(entries, 'vrrp_script')) {
    const script = lastOf(inner, 'script')
    if (script !== undefined && isMissing(script, machine))
      report(5, undefined, `Disabling track script ${words[0] ?? ''} since not found/accessible`)
  }
}

/** keepalived looks for names in PATH; what only has a slash in it, it leaves to be found out. */
export function isMissing(script: Entry, machine: Machine): boolean {
  const program = programOf(script)
  return (program.startsWith('/') || !program.includes('/')) && !machine.isExecutable(program)
}

function readScripts(entries: readonly Entry[], report: Report): ReadonlySet<string> {
  const scripts = new Set<string>()
  for (const { words, entries: inner, end } of allOf(entries, 'vrrp_script')) {
    const [name = ''] = words
    for (const { keyword, value, place } of allOf(inner, 'interval', 'timeout'))
      if (value === 0) report(5, place, `(${name}): vrrp script ${keyword} must be greater than 0, setting to 1`)
    if (lastOf(inner, 'script') === undefined) report(5, end, `No script set for vrrp_script ${name} - removing`)
    else scripts.add(name)
  }
  return scripts
}

type Around = {
  readonly scripts: ReadonlySet<string>
  readonly machine: Machine
  readonly known: (name: string) => boolean
  readonly rules: { preference: number }
  readonly report: Report
}

function reportInstance({ words, entries, end }: Entry, { scripts, machine, known, rules, report }: Around): void {
  const [name = ''] = words
  for (const { keyword, words: values, place, entries: inner } of entries) {
    const [value = ''] = values
    if (keyword === 'interface') {
      if (machine.interface(value) === 'loopback')
        report(5, place, `(${name}) cannot use a loopback interface (${value}) for vrrp - ignoring`)
      else if (!known(value)) report(5, place, `WARNING - interface ${value} for vrrp_instance ${name} doesn't exist`)
    }
    if (keyword === 'lvs_sync_daemon_interface') {
      report(5, place, `(${name}) Specifying lvs_sync_daemon_interface against a vrrp is deprecated.`)
      report(5, place, '        Please use global lvs_sync_daemon')
    }
    if (keyword === 'linkbeat_use_polling')
      report(5, place, `(${name}) 'linkbeat_use_polling' in vrrp instance deprecated - use linkbeat_interfaces block`)
    if (keyword === 'authentication')
      for (const pass of allOf(inner, 'auth_pass'))
        if ((pass.words[0] ?? '').length > 8) report(5, pass.place, 'Truncating auth_pass to 8 characters')
    if (keyword === 'virtual_ipaddress' || keyword === 'virtual_ipaddress_excluded')
      for (const one of inner) reportAddress(one, known, report)
    const routing = { names: machine.routingNames, known, isStatic: false, report }
    if (keyword === 'virtual_routes') for (const one of inner) reportRoute(one, routing)
    if (keyword === 'virtual_rules') for (const one of inner) reportRule(one, rules, routing)
    if (keyword === 'track_interface')
      for (const one of inner) {
        if (!known(one.keyword)) report(5, one.place, `(${name}) tracked interface ${one.keyword} doesn't exist`)
        reportWeight(one, name, report)
      }
    if (keyword === 'track_script')
      for (const one of inner) {
        if (!scripts.has(one.keyword))
          report(5, one.place, `(${name}) track script ${one.keyword} not found, ignoring...`)
        else reportWeight(one, name, report)
      }
  }
  reportFamilies(name, entries, report)
  if (lastOf(entries, 'unicast_ttl') !== undefined && !hasPeers(entries))
    report(5, end, `(${name}): Cannot use unicast_ttl without unicast peers - resetting`)
}

function reportWeight({ keyword, words, place }: Entry, name: string, report: Report): void {
  const at = words.indexOf('weight')
  if (at < 0) return
  const weight = readInteger(words[at + 1] ?? '', { min: -254, max: 254 })
  if (typeof weight === 'number') return
  report(5, place, weight)
  report(
    5,
    place,
    `(${name}) weight ${words[at + 1] ?? ''} for ${keyword} must be between [-253..253] inclusive. Ignoring...`,
  )
}

/** All addresses of an instance are of the family of its first. */
function reportFamilies(name: string, entries: readonly Entry[], report: Report): void {
  let family: string | undefined = lastOf(entries, 'native_ipv6') === undefined ? undefined : 'ipv6'
  for (const { keyword, entries: inner } of allOf(entries, 'virtual_ipaddress', 'unicast_peer'))
    for (const one of inner) {
      const [host = ''] = one.keyword.split('/')
      const address = parseAddress(host)
      if (address === undefined) continue
      family ??= familyOf(address)
      if (familyOf(address) === family) continue
      report(
        5,
        one.place,
        keyword === 'unicast_peer'
          ? `Configuration error: VRRP instance[${name}] and unicast peer address[${host}] MUST be of the same family !!! Skipping...`
          : `(${name}): address family must match VRRP instance [${one.keyword}] - ignoring`,
      )
    }
}

/** All words of the first list: a second one is passed over. */
export function membersOf(entries: readonly Entry[]): readonly string[] {
  const [list] = allOf(entries, 'group')
  return (list?.entries ?? []).flatMap(({ keyword, words }) => [keyword, ...words])
}

function reportGroups(entries: readonly Entry[], report: Report): void {
  const names = new Set(allOf(entries, 'vrrp_instance').map(({ words }) => words[0]))
  const taken = new Set<string>()
  for (const { words, entries: inner } of allOf(entries, 'vrrp_sync_group')) {
    const [group = ''] = words
    const [list, ...further] = allOf(inner, 'group')
    const members = membersOf(inner)
    if (list !== undefined && members.length === 0)
      report(5, list.end, `Warning - sync group ${group} has empty group block`)
    for (const { place } of further) report(5, place, `Group list already specified for sync group ${group}`)
    let count = 0
    for (const member of members) {
      const trouble = !names.has(member)
        ? `specified in sync group ${group} doesn't exist - ignoring`
        : taken.has(member)
          ? `cannot exist in more than one sync group; ignoring ${group}`
          : undefined
      if (trouble === undefined) count += 1
      else report(5, undefined, `Virtual router ${member} ${trouble}`)
      taken.add(member)
    }
    if (members.length === 0) report(5, undefined, `Sync group ${group} has no virtual router(s). removing`)
    else if (count === 0)
      report(5, undefined, `Sync group ${group}, no matching virtual router found in group declaration - removing`)
    if (count === 1)
      report(5, undefined, `Sync group ${group} has only 1 virtual router(s) - this probably isn't what you want`)
  }
}
