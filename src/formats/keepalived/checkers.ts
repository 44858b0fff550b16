/** What the parts of a check must be, beyond what the tables say. */
import { parseAddress } from '../../lvs/address.ts'
import { familyOf } from '../../lvs/service.ts'
import type { Report } from './finding.ts'
import type { ScriptUser } from './instance-model.ts'
import { commandOf } from './instances.ts'
import { readInteger } from './keyword.ts'
import type { Checker } from './model.ts'
import { maxUnsigned } from './tables/kinds.ts'
import { allOf, type Entry, lastOf } from './tree.ts'

/** As whom commands run: as they say themselves, or as the file says for all. */
export type RunsAs = (own: Entry | undefined) => ScriptUser | undefined

/** What the file and its machine have that a check may name. */
export type Known = {
  readonly runsAs: RunsAs
  readonly isUser: (name: string) => boolean
  /** Names of `track_file` and `bfd_instance` blocks. */
  readonly files: ReadonlySet<string>
  readonly bfds: ReadonlySet<string>
}

/** None when keepalived leaves the check out. */
export function readChecker(
  entry: Entry,
  server: { readonly address: string; readonly name: string; readonly known: Known },
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
  if (keyword === 'MISC_CHECK' && !isRunnable(entries, server.known, report)) return []
  if (keyword === 'BFD_CHECK') {
    const name = lastOf(entries, 'name')
    if (name === undefined) return leaveOut(`(${server.name}) No name has been specified for BFD_CHECKER - skipping`)
    const [bfd = ''] = name.words
    if (!server.known.bfds.has(bfd)) {
      report(5, name.place, `(${server.name}) BFD_CHECK - BFD ${bfd} not configured`)
      return []
    }
  }
  if (keyword === 'FILE_CHECK') {
    const files = allOf(entries, 'track_file')
    const unknown = files.filter(({ words }) => !server.known.files.has(words[0] ?? ''))
    for (const { words, place: at } of unknown) report(5, at, `track_file ${words[0] ?? ''} not found`)
    if (unknown.length === files.length) return leaveOut('FILE_CHECK has no track_file specified - ignoring')
  }
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
  const user = keyword === 'MISC_CHECK' ? server.known.runsAs(lastOf(entries, 'user')) : undefined
  return [{ kind: keyword, place, entries, ...(user === undefined ? {} : { user }) }]
}

/** The path is told when it was read before. */
function isRunnable(entries: readonly Entry[], { isUser }: Known, report: Report): boolean {
  const user = lastOf(entries, 'user')
  const [name = ''] = user?.words ?? []
  if (user === undefined || isUser(name)) return true
  const path = lastOf(entries.slice(0, entries.indexOf(user)), 'misc_path')
  const words =
    path === undefined
      ? ''
      : commandOf(path)
          .map((word) => `'${word}'`)
          .join(' ')
  report(5, user.place, `Failed to set uid/gid for misc checker script ${words} - removing`)
  return false
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
