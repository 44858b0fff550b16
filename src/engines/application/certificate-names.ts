/** Which certificate serves a name: those that bear it, then those with a wildcard, then the first. Pure. */

export type Named = { readonly names: readonly string[] }

/** RFC 6125 §6.4: exact names first; `*.shop.example` bears one label. */
export function certificateFor<C extends Named>(certificates: readonly C[], serverName: string): C | undefined {
  const name = serverName.toLowerCase().replace(/\.$/u, '')
  const wildcard = `*${name.slice(Math.max(name.indexOf('.'), 0))}`
  return (
    certificates.find(({ names }) => names.includes(name)) ??
    certificates.find(({ names }) => name.includes('.') && names.includes(wildcard)) ??
    certificates[0]
  )
}

/** The names of a certificate as Node gives them: `DNS:a, IP Address:10.0.0.1`; its common name when there are none. */
export function namesOf(subjectAltName: string | undefined, subject: string): string[] {
  const alternatives = (subjectAltName ?? '').split(', ').flatMap((part) => {
    const [, kind, value = ''] = /^(DNS|IP Address):(.+)$/u.exec(part) ?? []
    return kind === undefined ? [] : [value.replace(/^"|"$/gu, '').toLowerCase()]
  })
  if (alternatives.length > 0) return alternatives
  const [, common] = /^CN=(.+)$/mu.exec(subject) ?? []
  return common === undefined ? [] : [common.toLowerCase()]
}
