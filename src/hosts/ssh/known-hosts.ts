/** known_hosts of sshd(8): which keys a host may show. Parsed and judged without touching a file. */
import { createHmac } from 'node:crypto'

export type KnownKey = {
  readonly marker?: 'revoked' | 'cert-authority'
  /** Patterns as written, or one hashed name. */
  readonly hosts: string
  readonly type: string
  /** Base64, as in the file. */
  readonly key: string
  readonly place: string
}

export type HostKey = { readonly type: string; readonly key: string }

export type Verdict =
  | { readonly kind: 'known' }
  | { readonly kind: 'unknown' }
  | { readonly kind: 'revoked'; readonly place: string }
  /** The host is known by other keys of this type. */
  | { readonly kind: 'changed'; readonly place: string }
  /** The host is known by keys of other types only. */
  | { readonly kind: 'other-types'; readonly types: readonly string[] }

/** Lines that are no entries are passed over, as ssh(1) does. */
export function parseKnownHosts(text: string, file: string): KnownKey[] {
  return text.split('\n').flatMap((line, index): KnownKey[] => {
    const fields = line.trim().split(/\s+/)
    const marker = /^@(revoked|cert-authority)$/.exec(fields[0] ?? '')?.[1] as KnownKey['marker']
    const [hosts = '', type = '', key = ''] = marker === undefined ? fields : fields.slice(1)
    if (hosts === '' || /^[#@]/.test(hosts) || key === '') return []
    return [{ hosts, type, key, place: `${file}:${index + 1}`, ...(marker === undefined ? {} : { marker }) }]
  })
}

/** The name under which a host is kept: with its port in brackets when it is not 22. */
export function knownName(host: string, port: number): string {
  return port === 22 ? host.toLowerCase() : `[${host.toLowerCase()}]:${port}`
}

/** `names`: all under which the host may be kept. A revoked key is refused whatever else is there. */
export function judgeKey(entries: readonly KnownKey[], names: readonly string[], { type, key }: HostKey): Verdict {
  const ours = entriesOf(entries, names)
  const revoked = ours.find((entry) => entry.marker === 'revoked' && entry.key === key)
  if (revoked !== undefined) return { kind: 'revoked', place: revoked.place }
  const keys = ours.filter(({ marker }) => marker === undefined)
  if (keys.some((entry) => entry.key === key && entry.type === type)) return { kind: 'known' }
  const [other] = keys.filter((entry) => entry.type === type)
  if (other !== undefined) return { kind: 'changed', place: other.place }
  const types = [...new Set(keys.map((entry) => entry.type))]
  return types.length === 0 ? { kind: 'unknown' } : { kind: 'other-types', types }
}

/** The types of the keys by which a host is known, so that it is asked for one of these first. */
export function knownTypes(entries: readonly KnownKey[], names: readonly string[]): string[] {
  const plain = entriesOf(entries, names).filter(({ marker }) => marker === undefined)
  return [...new Set(plain.map(({ type }) => type))]
}

function entriesOf(entries: readonly KnownKey[], names: readonly string[]): KnownKey[] {
  return entries.filter(({ hosts }) => names.some((name) => matchesHosts(hosts, name)))
}

function matchesHosts(hosts: string, name: string): boolean {
  const hashed = /^\|1\|([^|]+)\|([^|]+)$/.exec(hosts)
  if (hashed !== null)
    return createHmac('sha1', Buffer.from(hashed[1] ?? '', 'base64'))
      .update(name)
      .digest()
      .equals(Buffer.from(hashed[2] ?? '', 'base64'))
  const patterns = hosts.split(',')
  if (patterns.some((pattern) => pattern.startsWith('!') && matchesPattern(pattern.slice(1), name))) return false
  return patterns.some((pattern) => !pattern.startsWith('!') && matchesPattern(pattern, name))
}

/** `*` and `?` as in ssh_config(5), PATTERNS. */
function matchesPattern(pattern: string, name: string): boolean {
  const source = pattern
    .toLowerCase()
    .replaceAll(/[.+^${}()|[\]\\]/g, '\\$&')
    .replaceAll('*', '.*')
    .replaceAll('?', '.')
  return new RegExp(`^${source}$`).test(name.toLowerCase())
}
