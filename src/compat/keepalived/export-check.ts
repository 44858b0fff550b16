/** A check as a checker of keepalived.conf, and how its lines are written. Pure. */
import type { BodyMatch, CheckSpec } from '../../health/check.ts'

export const seconds = (ms: number): string => String(ms / 1000)
/** Quoted, as no other quoting holds everywhere in such a file. */
export const quoted = (words: readonly string[]): string =>
  words.map((word) => `"${word.replaceAll('\\', '\\\\')}"`).join(' ')
export const block = (head: string, lines: readonly string[]): string[] => [
  `${head} {`,
  ...lines.map((line) => `  ${line}`),
  '}',
]

export function checkLines(check: CheckSpec): string[] {
  const { probe, everyMs, doubtEveryMs = everyMs, timeoutMs, fall, warmUpMs = 0, address, port, from = {} } = check
  const timing = [
    `delay_loop ${seconds(everyMs)}`,
    `retry ${fall - 1}`,
    `delay_before_retry ${seconds(doubtEveryMs)}`,
    `warmup ${seconds(warmUpMs)}`,
    ...(check.presumed === true ? [] : ['alpha']),
  ]
  const places = {
    connect_ip: address,
    connect_port: port,
    bindto: from.address,
    bind_port: from.port,
    bind_if: from.interface,
    fwmark: from.mark,
  }
  const connecting = [
    ...timing,
    `connect_timeout ${seconds(timeoutMs)}`,
    ...Object.entries(places).flatMap(([keyword, value]) => (value === undefined ? [] : [`${keyword} ${value}`])),
  ]
  switch (probe.kind) {
    case 'tcp':
      return block('TCP_CHECK', connecting)
    case 'ping':
      return block('PING_CHECK', connecting)
    case 'smtp':
      return block('SMTP_CHECK', [...connecting, ...(probe.helo === undefined ? [] : [`helo_name ${probe.helo}`])])
    case 'dns':
      return block('DNS_CHECK', [...connecting, `type ${probe.type}`, `name ${probe.name}`])
    case 'external':
      return 'argv' in probe.command
        ? block('MISC_CHECK', [
            ...timing,
            `misc_path ${quoted(probe.command.argv)}`,
            `misc_timeout ${seconds(timeoutMs)}`,
            ...(probe.exitIsWeight === true ? ['misc_dynamic'] : []),
          ])
        : []
    case 'http': {
      const codes = (probe.status ?? []).map((code) => (typeof code === 'number' ? `${code}` : code.join('-')))
      const url = [
        `path "${probe.path}"`,
        ...(codes.length === 0 ? [] : [`status_code ${codes.join(' ')}`]),
        ...(probe.host === undefined ? [] : [`virtualhost "${probe.host}"`]),
        ...(probe.md5 === undefined ? [] : [`digest ${probe.md5}`]),
        ...(probe.body === undefined ? [] : [`regex "${probe.body}"`, ...matchLines(probe.bodyMatch)]),
      ]
      const sni = probe.tls?.sni === undefined ? [] : ['enable_sni']
      return block(probe.tls === undefined ? 'HTTP_GET' : 'SSL_GET', [...connecting, ...sni, ...block('url', url)])
    }
    default:
      return []
  }
}

const flagOptions: Readonly<Record<string, string>> = { i: 'caseless', m: 'multiline', s: 'dotall', u: 'utf' }

function matchLines({ flags = '', isAbsent, from, until }: BodyMatch = {}): string[] {
  const options = flags.split('').flatMap((flag) => flagOptions[flag] ?? [])
  return [
    ...(options.length === 0 ? [] : [`regex_options ${options.join(' ')}`]),
    ...(isAbsent === true ? ['regex_no_match'] : []),
    ...(from === undefined ? [] : [`regex_min_offset ${from}`]),
    ...(until === undefined ? [] : [`regex_max_offset ${until}`]),
  ]
}
