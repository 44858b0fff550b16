/** Checks that speak a protocol: from the file to the model. Their keys bear the model's names. */
import type { CheckTls, ProbeSpec } from '../../health/check.ts'
import { given } from './given.ts'
import type { CheckShape } from './schema.ts'

/** A kind's options; `true` has none. */
export function optionsOf<T extends object>(written: boolean | T | undefined): Partial<T> | undefined {
  return written === undefined || written === false ? undefined : written === true ? {} : written
}

export function tlsOf(written: CheckShape['tls'] | undefined): CheckTls | undefined {
  if (written === undefined || written === false) return undefined
  return written === true ? { verify: false } : { verify: written.verify, ...given('sni', written.sni) }
}

type TlsShape = CheckShape['tls']

/** TLS as written becomes TLS of the model; all else stays. */
function secured<T extends { readonly tls?: TlsShape; readonly starttls?: TlsShape }>({ tls, starttls, ...rest }: T) {
  const begun = tlsOf(starttls)
  return { ...rest, ...(begun === undefined ? given('tls', tlsOf(tls)) : { starttls: begun }) }
}

/** undefined: it is none of these. */
export function protocolSpec(check: CheckShape): ProbeSpec | undefined {
  for (const kind of ['smtp', 'submission'] as const) {
    const written = optionsOf(check[kind])
    if (written !== undefined) return { kind, ...secured(written) }
  }
  for (const kind of ['mysql', 'pgsql'] as const) {
    const written = optionsOf(check[kind])
    if (written !== undefined) return { kind, ...secured(written) }
  }
  const pop3 = optionsOf(check.pop3)
  if (pop3 !== undefined) return { kind: 'pop3', ...secured(pop3) }
  const imap = optionsOf(check.imap)
  if (imap !== undefined) return { kind: 'imap', ...secured(imap) }
  const nntp = optionsOf(check.nntp)
  if (nntp !== undefined) return { kind: 'nntp', ...secured(nntp) }
  const ftp = optionsOf(check.ftp)
  if (ftp !== undefined) return { kind: 'ftp', ...secured(ftp) }
  const ldap = optionsOf(check.ldap)
  if (ldap !== undefined) return { kind: 'ldap', ...secured(ldap) }
  const redis = optionsOf(check.redis)
  if (redis !== undefined) return { kind: 'redis', ...secured(redis) }
  if (check.sip !== undefined) return { kind: 'sip', ...check.sip }
  if (check.radius !== undefined) return { kind: 'radius', ...check.radius }
  return simpleTcp(check)
}

function simpleTcp(check: CheckShape): ProbeSpec | undefined {
  const written = optionsOf(check.simpletcp)
  if (written === undefined) return undefined
  const { 'half-close': halfClose, ...rest } = written
  return { kind: 'simpletcp', ...given('halfClose', halfClose || undefined), ...secured(rest) }
}
