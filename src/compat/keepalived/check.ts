/** keepalived's checkers in Baton's words. Pure. */
import type { Place } from '../../formats/keepalived/finding.ts'
import { commandOf } from '../../formats/keepalived/instances.ts'
import type { Checker, Real, Virtual } from '../../formats/keepalived/model.ts'
import { allOf, type Entry, lastOf } from '../../formats/keepalived/tree.ts'
import { isSet } from '../../formats/keepalived/virtuals.ts'
import {
  type CheckSpec,
  dnsQuestionTypes,
  type HttpCheckSpec,
  type ProbeSpec,
  type StatusCodes,
} from '../../health/check.ts'

export type Say = (severity: 'error' | 'warning', place: Place, message: string) => void

const timing = ['retry', 'warmup', 'delay_loop', 'connect_timeout', 'connect_ip', 'connect_port']

/** What of each kind is taken over, beside its timing. */
const carried: Readonly<Record<string, readonly string[]>> = {
  TCP_CHECK: [],
  PING_CHECK: [],
  HTTP_GET: ['url', 'virtualhost', 'nb_get_retry'],
  SSL_GET: ['url', 'virtualhost', 'enable_sni', 'nb_get_retry'],
  SMTP_CHECK: ['helo_name'],
  DNS_CHECK: ['type', 'name'],
  UDP_CHECK: ['payload', 'require_reply', 'min_reply_length', 'max_reply_length'],
  MISC_CHECK: ['misc_path', 'misc_timeout', 'misc_dynamic'],
}

/** One check, or one for each URL. */
export function convertChecker(checker: Checker, real: Real, virtual: Virtual, say: Say): readonly CheckSpec[] {
  const { kind, place, entries } = checker
  const known = carried[kind]
  if (known === undefined) {
    say('warning', place, `${kind} is not taken over: the server is up without it`)
    return []
  }
  for (const entry of entries)
    if (!timing.includes(entry.keyword) && !known.includes(entry.keyword))
      say('warning', entry.place, `${entry.keyword} of ${kind} is not taken over`)
  const probes = probesOf(checker, real, virtual, say)
  const common = timingOf(checker, real, virtual)
  return probes.map((probe) => ({ probe, ...common }))
}

/** Of the checker, its real server, its virtual server, or keepalived's own. */
function inherited(keyword: string, { entries }: Checker, real: Real, virtual: Virtual, otherwise: number): number {
  for (const block of [entries, real.entries, virtual.entries]) {
    const value = lastOf(block, keyword)?.value
    if (typeof value === 'number') return value
  }
  return otherwise
}

const retries: Readonly<Record<string, number>> = { DNS_CHECK: 3, MISC_CHECK: 0 }
const milliseconds = (seconds: number): number => Math.max(1, Math.round(seconds * 1000))

function timingOf(checker: Checker, real: Real, virtual: Virtual): Omit<CheckSpec, 'probe'> {
  const { kind, entries } = checker
  const every = inherited('delay_loop', checker, real, virtual, 60)
  const misc = lastOf(entries, 'misc_timeout')?.value
  const timeout =
    kind === 'MISC_CHECK'
      ? typeof misc === 'number' && misc > 0
        ? misc
        : every
      : inherited('connect_timeout', checker, real, virtual, 5)
  const written = Number(lastOf(entries, 'nb_get_retry')?.words[0] ?? Number.NaN)
  const retry =
    Number.isInteger(written) && written >= 0 ? written : inherited('retry', checker, real, virtual, retries[kind] ?? 1)
  const warmup = inherited('warmup', checker, real, virtual, every)
  const address = lastOf(entries, 'connect_ip')?.words[0]
  const port = lastOf(entries, 'connect_port')?.value
  return {
    everyMs: milliseconds(every),
    timeoutMs: milliseconds(timeout),
    rise: 1,
    fall: retry + 1,
    ...(warmup > 0 ? { warmUpMs: milliseconds(warmup) } : {}),
    ...(address === undefined ? {} : { address }),
    ...(typeof port === 'number' ? { port } : {}),
  }
}

function probesOf(checker: Checker, real: Real, virtual: Virtual, say: Say): readonly ProbeSpec[] {
  const { kind, place, entries } = checker
  const word = (keyword: string): string | undefined => lastOf(entries, keyword)?.words[0]
  switch (kind) {
    case 'TCP_CHECK':
      return [{ kind: 'tcp' }]
    case 'PING_CHECK':
      return [{ kind: 'ping' }]
    case 'SMTP_CHECK':
      return [{ kind: 'smtp', helo: word('helo_name') ?? 'smtpchecker.keepalived.org' }]
    case 'MISC_CHECK': {
      const argv = commandOf(lastOf(entries, 'misc_path') ?? { words: [] })
      return [
        { kind: 'external', command: { argv }, ...(isSet(entries, 'misc_dynamic') ? { exitIsWeight: true } : {}) },
      ]
    }
    case 'DNS_CHECK': {
      const asked = String(lastOf(entries, 'type')?.value ?? 'SOA')
      const type = dnsQuestionTypes.find((one) => one === asked)
      if (type !== undefined) return [{ kind: 'dns', name: word('name') ?? '.', type, transport: 'udp' }]
      say('warning', place, `DNS_CHECK of type ${asked} is not taken over: the server is up without it`)
      return []
    }
    case 'UDP_CHECK':
      return [udpProbe(entries)]
    default:
      return allOf(entries, 'url').flatMap((url) => httpProbe(url, checker, real, virtual, say))
  }
}

function udpProbe(entries: readonly Entry[]): ProbeSpec {
  const hex = (keyword: string): string | undefined => lastOf(entries, keyword)?.words.join('').toLowerCase()
  const send = hex('payload')
  const reply = hex('require_reply')
  const limit = (keyword: string, otherwise: number): number => {
    const value = lastOf(entries, keyword)?.value
    return typeof value === 'number' ? value : otherwise
  }
  return {
    kind: 'udp',
    ...(send === undefined ? {} : { sendHex: send }),
    ...(reply === undefined
      ? {}
      : {
          expect: { hex: reply },
          minimumBytes: limit('min_reply_length', 0),
          maximumBytes: limit('max_reply_length', 255),
        }),
  }
}

const carriedByUrl = ['path', 'status_code', 'virtualhost', 'regex']

function httpProbe(
  { entries, place }: Entry,
  checker: Checker,
  real: Real,
  virtual: Virtual,
  say: Say,
): readonly HttpCheckSpec[] {
  const path = lastOf(entries, 'path')?.words[0]
  if (path === undefined) return []
  for (const entry of entries)
    if (!carriedByUrl.includes(entry.keyword))
      say('warning', entry.place, `${entry.keyword} of a url is not taken over`)
  const isNegated = lastOf(entries, 'regex_no_match') !== undefined
  const regex = isNegated ? undefined : lastOf(entries, 'regex')?.words[0]
  if (isNegated) say('warning', place, 'regex_no_match is not taken over: the body is not looked at')
  const host = [entries, checker.entries, real.entries, virtual.entries]
    .map((block) => lastOf(block, 'virtualhost')?.words[0])
    .find((name) => name !== undefined)
  const sni = isSet(checker.entries, 'enable_sni') ? host : undefined
  return [
    {
      kind: 'http',
      path,
      status: statusOf(entries),
      ...(host === undefined ? {} : { host }),
      ...(regex === undefined ? {} : { body: regex }),
      ...(checker.kind === 'SSL_GET' ? { tls: { verify: false, ...(sni === undefined ? {} : { sni }) } } : {}),
    },
  ]
}

/** 200 to 299 when none is written, or none rightly. */
function statusOf(entries: readonly Entry[]): StatusCodes {
  const codes = allOf(entries, 'status_code').flatMap(({ words }) =>
    words.flatMap((word): (number | readonly [number, number])[] => {
      const [, from, to] = /^([1-9][0-9]{2})(?:-([1-9][0-9]{2}))?$/.exec(word) ?? []
      if (from === undefined) return []
      return to === undefined ? [Number(from)] : [[Number(from), Number(to)]]
    }),
  )
  return codes.length === 0 ? [[200, 299]] : codes
}
