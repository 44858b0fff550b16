/** What the parts of a check must be, beyond what the tables say. */
import { parseAddress } from '../../lvs/address.ts'
import { familyOf } from '../../lvs/service.ts'
import type { Report } from './finding.ts'
import type { ScriptUser } from './instance-model.ts'
import { readInteger } from './keyword.ts'
import type { Checker } from './model.ts'
import { maxUnsigned } from './tables/kinds.ts'
import { allOf, type Entry, lastOf } from './tree.ts'

/** As whom commands run: as they say themselves, or as the file says for all. */
export type RunsAs = (own: Entry | undefined) => ScriptUser | undefined

/** None when keepalived leaves the check out. */
export function readChecker(
  entry: Entry,
  server: { readonly address: string; readonly name: string; readonly runsAs: RunsAs },
  report: Report,
): readonly Checker[] {
  const { keyword, place, entries } = entry
  for (const one of [entries, ...allOf(entries, 'host').map((host) => host.entries)])
    reportAddresses(one, server.address, report)
  const leaveOut = (message: string): readonly Checker[] => {
    report(5, entry.end, message)
    return []
  }
  if (keyword === 'HTTP_GET' || keyword === 'SSL_GET') {
    const urls = allOf(entries, 'url')
    for (const url of urls) reportUrl(url, report)
    if (urls.length === 0) return leaveOut('HTTP/SSL_GET checker has no urls specified - ignoring')
  }
  if (keyword === 'MISC_CHECK' && lastOf(entries, 'misc_path') === undefined)
    return leaveOut('No script path has been specified for MISC_CHECKER - skipping')
  if (keyword === 'BFD_CHECK' && lastOf(entries, 'name') === undefined)
    return leaveOut(`(${server.name}) No name has been specified for BFD_CHECKER - skipping`)
  if (keyword === 'FILE_CHECK' && lastOf(entries, 'track_file') === undefined)
    return leaveOut('FILE_CHECK has no track_file specified - ignoring')
  for (const { words, place } of allOf(entries, 'nb_get_retry')) {
    const times = readInteger(words[0] ?? '', { min: 0, max: maxUnsigned })
    if (typeof times === 'string') report(5, place, times)
    if (typeof times === 'string') report(5, place, `Invalid nb_get_retry value '${words[0] ?? ''}'`)
  }
  if (keyword === 'UDP_CHECK') {
    reportHex(entries, report)
    const [least, most] = [lastOf(entries, 'min_reply_length')?.value, lastOf(entries, 'max_reply_length')?.value]
    if (typeof least === 'number' && typeof most === 'number' && least > most)
      report(5, entry.end, `UDP_CHECK min_reply length ${least} > max_reply_length ${most} - will always fail`)
  }
  for (const name of keyword === 'DNS_CHECK' ? allOf(entries, 'name') : [])
    if (/^.\.|\.\./.test(name.words[0] ?? ''))
      report(5, name.place, `DNS_CHECK name '${name.words[0] ?? ''}' has empty label - ignoring`)
  const user = keyword === 'MISC_CHECK' ? server.runsAs(lastOf(entries, 'user')) : undefined
  return [{ kind: keyword, place, entries, ...(user === undefined ? {} : { user }) }]
}

/** Until connect_ip says otherwise, it is the server's own address. */
function reportAddresses(entries: readonly Entry[], own: string, report: Report): void {
  let family = familyOf(own)
  let isBound = false
  for (const { keyword, words, place } of allOf(entries, 'bindto', 'connect_ip')) {
    const address = parseAddress(words[0] ?? '')
    if (address === undefined) report(5, place, `Invalid ${keyword} address ${words[0] ?? ''} - ignoring`)
    else if (familyOf(address) !== family && (keyword === 'bindto' || isBound))
      report(
        5,
        place,
        `${keyword} address ${address} does not match address family of ${keyword === 'bindto' ? 'connect_ip' : 'bindto'} - skipping`,
      )
    else {
      family = familyOf(address)
      isBound ||= keyword === 'bindto'
    }
  }
}

function reportUrl({ entries, end }: Entry, report: Report): void {
  for (const entry of allOf(entries, 'status_code'))
    for (const word of entry.words) {
      const [, from = '', to = from] = /^([0-9]{3})(?:-([0-9]{3}))?$/.exec(word) ?? []
      const isRight = Number(from) >= 100 && Number(to) <= 999 && Number(from) <= Number(to)
      if (!isRight) report(5, entry.place, `Invalid HTTP_GET status code '${word}'`)
    }
  // keepalived takes any other one for the same.
  let hasDigest = false
  for (const entry of allOf(entries, 'digest')) {
    const [digest = ''] = entry.words
    const wrong = /[^0-9A-Fa-f]/.exec(digest)?.index
    if (digest.length !== 32)
      report(5, entry.place, `digest '${digest}' character length should be 32 rather than ${digest.length}`)
    else if (wrong !== undefined) {
      const pair = wrong - (wrong % 2)
      report(5, entry.place, `Unable to interpret hex digit in '${digest}' at offset ${pair}/${pair + 1}`)
    } else if (hasDigest) report(5, entry.place, `Digest '${digest}' is a duplicate`)
    else hasDigest = true
  }
  if (lastOf(entries, 'path') === undefined) report(5, end, 'HTTP/SSL_GET checker url has no path - ignoring')
}

function reportHex(entries: readonly Entry[], report: Report): void {
  const isHex = (words: readonly string[], pattern: RegExp): boolean => {
    const digits = words.join('')
    return pattern.test(digits) && digits.length % 2 === 0
  }
  for (const { words, place } of allOf(entries, 'payload'))
    if (!isHex(words, /^[0-9A-Fa-f]*$/)) report(5, place, 'Invalid hex string for UDP_CHECK payload')
  for (const { words, place } of allOf(entries, 'require_reply'))
    if (!isHex(words, /^[0-9A-Fa-fxX]*$/)) report(5, place, 'Invalid hex string for UDP_CHECK reply')
}
