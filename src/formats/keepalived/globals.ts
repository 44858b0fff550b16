/** What the lines of global_defs say wrongly, beyond what the tables know. */
import { parseAddress } from '../../lvs/address.ts'
import { familyOf } from '../../lvs/service.ts'
import type { Report } from './finding.ts'
import { readInteger } from './keyword.ts'
import type { Machine } from './machine.ts'
import { allOf, type Entry } from './tree.ts'

export function reportGlobals(entries: readonly Entry[], machine: Machine, report: Report): void {
  let daemon: string | undefined
  for (const { entries: inner } of allOf(entries, 'global_defs'))
    for (const entry of inner) {
      const { keyword, words, place } = entry
      if (keyword === 'vrrp_mcast_group4' || keyword === 'vrrp_mcast_group6') reportMulticast(entry, report)
      if (keyword === 'script_user' && !isUser(words[0] ?? '', machine))
        report(5, place, 'Error setting global script uid/gid')
      if (keyword === 'lvs_sync_daemon') {
        if (daemon === undefined) reportSyncDaemon(entry, report)
        else report(5, place, `lvs_sync_daemon has already been specified as ${daemon} - ignoring`)
        daemon ??= words.slice(0, 2).join(' ')
      }
      if (keyword === 'smtp_server') reportMailServer(entry, report)
      if (keyword === 'lvs_timeouts') reportTimeouts(entry, report)
      if (keyword === 'notification_email' && entry.entries.length === 0)
        report(5, entry.end, 'Warning - empty notification_email block')
    }
}

/** By name or number. */
export function isUser(name: string, machine: Machine): boolean {
  return /^[0-9]+$/.test(name) || machine.hasUser(name)
}

/** A name is not asked for: what could be one counts. */
function reportMailServer({ words: [host = '', written = '25'], place }: Entry, report: Report): void {
  const port = readInteger(written, { min: 1, max: 65_535 })
  if (typeof port === 'string') report(5, place, port)
  const isName = /^[A-Za-z0-9_](?:[\w.-]*[A-Za-z])?[A-Za-z0-9]*\.?$/.test(host) && !/\.[0-9]+\.?$/.test(host)
  if (typeof port === 'string' || (!isName && parseAddress(host) === undefined))
    report(5, place, `Invalid smtp server ${host} ${written}`)
}

function reportMulticast({ keyword, words: [written = ''], place }: Entry, report: Report): void {
  const family = keyword === 'vrrp_mcast_group4' ? 'ipv4' : 'ipv6'
  const address = parseAddress(written)
  if (address === undefined) report(5, place, `Can't parse ${keyword} [${written}]. Skipping`)
  else if (familyOf(address) !== family)
    report(5, place, `${keyword} [${written}] is not ${family === 'ipv4' ? 'IPv4' : 'IPv6'}. Skipping`)
  else if (!(family === 'ipv4' ? /^2(2[4-9]|3[0-9])\./ : /^ff/).test(address))
    report(5, place, `${keyword} [${written}] is not multicast. Skipping`)
}

/** `IF [[inst] VRRP] [id N] [maxlen N] [port N] [ttl N] [group G]`. */
const syncNumbers: Readonly<Record<string, { readonly min: number; readonly max: number }>> = {
  id: { min: 0, max: 255 },
  maxlen: { min: 1, max: 65_507 },
  port: { min: 1, max: 65_535 },
  ttl: { min: 1, max: 255 },
}

function reportSyncDaemon({ words, place }: Entry, report: Report): void {
  if ((words[0] ?? '').length > 15)
    report(5, place, `lvs_sync_daemon interface name '${words[0] ?? ''}' too long - ignoring`)
  const isOption = (word: string): boolean => Object.hasOwn(syncNumbers, word) || word === 'group' || word === 'inst'
  const plain = words.findIndex((word, at) => at > 0 && isOption(word))
  // The instance, and the id as it was written once, stand before all others.
  const [, , id] = words.slice(0, plain < 0 ? undefined : plain)
  const old = id === undefined ? undefined : readInteger(id, { min: 0, max: 255 })
  if (typeof old === 'string') report(5, place, old)
  if (typeof old === 'string') report(5, place, `Invalid syncid (${id ?? ''}) - defaulting to vrid`)
  const begin = Math.min(plain < 0 ? words.length : plain, 3)
  for (let at = begin; at < words.length; at += 1) {
    const word = words[at] ?? ''
    const range = syncNumbers[word]
    if (word === 'group' || word === 'inst') at += 1
    else if (range === undefined) report(5, place, `Unknown option ${word} specified for lvs_sync_daemon`)
    if (range === undefined) continue
    at += 1
    const written = words[at]
    const number = written === undefined ? undefined : readInteger(written, range)
    if (typeof number === 'number') continue
    if (number !== undefined) report(5, place, number)
    if (word === 'id')
      report(
        5,
        place,
        written === undefined
          ? 'No value specified for lvs_sync_daemon id, defaulting to vrid'
          : `Invalid syncid (${written}) - defaulting to vrid`,
      )
    else
      report(
        5,
        place,
        written === undefined
          ? `No value specified for lvs_sync_daemon ${word} - ignoring`
          : `Invalid lvs_sync_daemon ${word} (${written}) - ignoring`,
      )
  }
}

function reportTimeouts({ words, place }: Entry, report: Report): void {
  for (let at = 0; at < words.length; at += 2) {
    const word = words[at] ?? ''
    if (word !== 'tcp' && word !== 'tcpfin' && word !== 'udp') {
      report(5, place, `Unknown option ${word} specified for lvs_timeouts`)
      continue
    }
    const written = words[at + 1]
    const number = written === undefined ? undefined : readInteger(written, { min: 0, max: 31_536_000 })
    if (typeof number === 'number') continue
    if (number !== undefined) report(5, place, number)
    report(
      5,
      place,
      written === undefined
        ? `No value specified for lvs_timeout ${word} - ignoring`
        : `Invalid lvs_timeout ${word} (${written}) - ignoring`,
    )
  }
}
