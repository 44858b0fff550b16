/** keepalived's checkers in Baton's words. Pure. */
import type { TrackFile } from '../../formats/keepalived/instance-model.ts'
import { commandOf } from '../../formats/keepalived/instances.ts'
import { readInteger } from '../../formats/keepalived/keyword.ts'
import type { Checker, Real, Virtual } from '../../formats/keepalived/model.ts'
import { allOf, type Entry, lastOf } from '../../formats/keepalived/tree.ts'
import { isSet, numberIn } from '../../formats/keepalived/virtuals.ts'
import { type CheckSpec, dnsQuestionTypes, type ProbeSpec } from '../../health/check.ts'
import { asUser } from './as-user.ts'
import { httpProbe, type UrlOf } from './http-check.ts'
import type { Say } from './say.ts'

/** What a checker is read beside. */
type CheckerOf = UrlOf & {
  readonly files: ReadonlyMap<string, TrackFile>
}

const timing = ['retry', 'delay_before_retry', 'warmup', 'delay_loop', 'alpha', 'log_all_failures']
const connecting = [
  ...timing,
  'connect_timeout',
  'connect_ip',
  'connect_port',
  'bindto',
  'bind_port',
  'bind_if',
  'fwmark',
]
const web = [...connecting, 'url', 'virtualhost', 'nb_get_retry', 'http_protocol', 'fast_recovery']

/** What of each kind is taken over. */
const carried: Readonly<Record<string, readonly string[]>> = {
  TCP_CHECK: connecting,
  PING_CHECK: connecting,
  HTTP_GET: [...web, 'enable_sni'],
  SSL_GET: [...web, 'enable_sni'],
  SMTP_CHECK: [...connecting, 'helo_name', 'host'],
  DNS_CHECK: [...connecting, 'type', 'name'],
  UDP_CHECK: [...connecting, 'payload', 'require_reply', 'min_reply_length', 'max_reply_length'],
  MISC_CHECK: [...timing, 'misc_path', 'misc_timeout', 'misc_dynamic', 'user'],
  FILE_CHECK: ['track_file', 'weight'],
}

/** One check, or one for each URL; none where there is none of the kind, which is an error. */
export function convertChecker(of: CheckerOf, say: Say): readonly CheckSpec[] {
  const { kind, place, entries } = of.checker
  const known = carried[kind]
  if (known === undefined) {
    say('error', place, `${kind}: Baton has no BFD sessions; PING_CHECK with a short delay_loop looks at the way, too`)
    return []
  }
  for (const entry of entries)
    if (!known.includes(entry.keyword)) say('warning', entry.place, `${entry.keyword} of ${kind} is not taken over`)
  // Each host of the old form is looked at by itself.
  const hosts = kind === 'SMTP_CHECK' ? allOf(entries, 'host') : []
  if (hosts.length > 0)
    return hosts.flatMap((host) => {
      const merged = [...entries.filter(({ keyword }) => keyword !== 'host'), ...host.entries]
      return convertChecker({ ...of, checker: { ...of.checker, entries: merged } }, say)
    })
  const common = timingOf(of)
  return probesOf(of, say).map((probe) => ({ probe, ...common }))
}

/** Of the checker, its real server, its virtual server, or keepalived's own. */
function inherited(keyword: string, { checker, real, virtual }: CheckerOf, otherwise: number): number {
  for (const block of [checker.entries, real.entries, virtual.entries]) {
    const value = lastOf(block, keyword)?.value
    if (typeof value === 'number') return value
  }
  return otherwise
}

/** Of the checker, its real server or its virtual server: it is down until it has passed. */
export function hasAlpha({ entries }: Checker, real: Real, virtual: Virtual): boolean {
  for (const block of [entries, real.entries, virtual.entries]) {
    const entry = lastOf(block, 'alpha')
    if (entry !== undefined) return entry.value !== false
  }
  return false
}

const retries: Readonly<Record<string, number>> = { DNS_CHECK: 3, MISC_CHECK: 0 }
const milliseconds = (seconds: number): number => Math.max(1, Math.round(seconds * 1000))

/** A file is looked at so often: keepalived hears of its changes. */
const fileEvery = { everyMs: 1000, timeoutMs: 1000, rise: 1, fall: 1 }

function timingOf(of: CheckerOf): Omit<CheckSpec, 'probe'> {
  const { kind, entries } = of.checker
  if (kind === 'FILE_CHECK') return fileEvery
  const every = inherited('delay_loop', of, 60)
  const misc = numberIn(entries, 'misc_timeout', 0)
  const timeout = kind === 'MISC_CHECK' ? misc || every : inherited('connect_timeout', of, 5)
  const written = Number(lastOf(entries, 'nb_get_retry')?.words[0] ?? Number.NaN)
  const isCount = Number.isInteger(written) && written >= 0
  const retry = isCount ? written : inherited('retry', of, retries[kind] ?? 1)
  const isWeb = kind === 'HTTP_GET' || kind === 'SSL_GET'
  const again = inherited('delay_before_retry', of, kind === 'DNS_CHECK' ? every : isWeb ? 3 : 1)
  const warmup = inherited('warmup', of, every)
  const address = lastOf(entries, 'connect_ip')?.words[0]
  const port = lastOf(entries, 'connect_port')?.value
  const from = sourceOf(entries)
  return {
    everyMs: milliseconds(every),
    timeoutMs: milliseconds(timeout),
    ...(retry > 0 && again !== every ? { doubtEveryMs: milliseconds(again) } : {}),
    rise: 1,
    fall: retry + 1,
    ...(hasAlpha(of.checker, of.real, of.virtual) ? {} : { presumed: true as const }),
    ...(warmup > 0 ? { warmUpMs: milliseconds(warmup) } : {}),
    ...(address === undefined ? {} : { address }),
    ...(typeof port === 'number' ? { port } : {}),
    ...(from === undefined ? {} : { from }),
  }
}

function sourceOf(entries: readonly Entry[]): CheckSpec['from'] {
  const [address, link] = ['bindto', 'bind_if'].map((keyword) => lastOf(entries, keyword)?.words[0])
  const [port, mark] = ['bind_port', 'fwmark'].map((keyword) => numberIn(entries, keyword, 0))
  const source = {
    ...(address === undefined ? {} : { address }),
    ...(link === undefined ? {} : { interface: link }),
    ...(port ? { port } : {}),
    ...(mark ? { mark } : {}),
  }
  return Object.keys(source).length === 0 ? undefined : source
}

function probesOf(of: CheckerOf, say: Say): readonly ProbeSpec[] {
  const { kind, entries, user } = of.checker
  const word = (keyword: string): string | undefined => lastOf(entries, keyword)?.words[0]
  switch (kind) {
    case 'TCP_CHECK':
      return [{ kind: 'tcp' }]
    case 'PING_CHECK':
      return [{ kind: 'ping' }]
    case 'SMTP_CHECK':
      return [{ kind: 'smtp', helo: word('helo_name') ?? 'smtpchecker.keepalived.org' }]
    case 'MISC_CHECK': {
      const argv = asUser(commandOf(lastOf(entries, 'misc_path') ?? { words: [] }), user)
      const exitIsWeight = isSet(entries, 'misc_dynamic') ? { exitIsWeight: true } : {}
      return [{ kind: 'external', command: { argv }, ...exitIsWeight }]
    }
    case 'DNS_CHECK': {
      const asked = String(lastOf(entries, 'type')?.value ?? 'SOA')
      const type = dnsQuestionTypes.find((one) => one === asked) ?? 'SOA'
      return [{ kind: 'dns', name: word('name') ?? '.', type, transport: 'udp' }]
    }
    case 'UDP_CHECK':
      return [udpProbe(entries)]
    case 'FILE_CHECK':
      return fileProbe(of, say)
    default:
      return allOf(entries, 'url').flatMap((url) => httpProbe(url, of, say))
  }
}

function udpProbe(entries: readonly Entry[]): ProbeSpec {
  const hex = (keyword: string): string | undefined => lastOf(entries, keyword)?.words.join('').toLowerCase()
  const send = hex('payload')
  const reply = hex('require_reply')
  const limits = {
    minimumBytes: numberIn(entries, 'min_reply_length', 0),
    maximumBytes: numberIn(entries, 'max_reply_length', 255),
  }
  return {
    kind: 'udp',
    ...(send === undefined ? {} : { sendHex: send }),
    ...(reply === undefined ? {} : limits),
    // Without digits any answer will do.
    ...(reply === undefined || reply === '' ? {} : { expect: { hex: reply } }),
  }
}

function fileProbe({ checker: { entries, place }, files }: CheckerOf, say: Say): readonly ProbeSpec[] {
  const names = allOf(entries, 'track_file').map(({ words: [name = ''] }) => name)
  // Of those that are not there it was told when the file was read.
  const name = names.findLast((one) => files.has(one)) ?? ''
  const file = files.get(name)
  if (file === undefined) {
    say('error', place, `FILE_CHECK: track_file ${names.join(', ')} names no file`)
    return []
  }
  const [written, word] = lastOf(entries, 'weight')?.words ?? []
  const own = written === undefined ? undefined : readInteger(written, { min: -2_147_483_647, max: 2_147_483_647 })
  const weight = typeof own === 'number' ? own : file.weight
  const isReversed = written === undefined ? file.isReversed : word === 'reverse'
  return [{ kind: 'file', path: file.path, ...(weight === 0 ? {} : { weight: isReversed ? -weight : weight }) }]
}
