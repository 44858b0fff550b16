/** The large table, as rules of ipvsadm and as a spec. */

export type Size = { readonly services: number; readonly servers: number }

/** Medians. `bytes`: what the table takes, beside what an empty one does. */
export type Figures = {
  readonly loadMs: number
  readonly listMs: number
  readonly editMs: number
  readonly baselineMs: number
  readonly startMs?: number
  readonly reloadMs?: number
  readonly bytes: number
  /** The longest that the director's event loop was held up while it loaded, listed and edited all of that. */
  readonly heldMs?: number
}

const octets = (at: number): string => `${(at >> 8) & 255}.${at & 255}`
/** Of 127/8, so that a director in userspace can listen there. */
const serviceAddress = (at: number): string => `127.${1 + (at >> 16)}.${octets(at)}:8080`
const serverAddress = (at: number, server: number): string =>
  `127.${100 + (server % 100)}.${octets(at)}:${8000 + Math.floor(server / 100)}`

/** One service's lines each. */
export function ruleLines({ services, servers }: Size): string[] {
  return Array.from({ length: services }, (_, at) =>
    [
      `-A -t ${serviceAddress(at)} -s wlc`,
      ...Array.from(
        { length: servers },
        (_, server) => `-a -t ${serviceAddress(at)} -r ${serverAddress(at, server)} -m -w 1`,
      ),
    ].join('\n'),
  )
}

/** The arguments that edit one server of the table. */
export function editArguments({ services }: Size, weight: number): string[] {
  const at = Math.floor(services / 2)
  return ['-e', '-t', serviceAddress(at), '-r', serverAddress(at, 0), '-m', '-w', String(weight)]
}

/** `weight`: of one server in the middle. */
export function specText({ services, servers }: Size, weight: number): string {
  const lines = ['name: scale', 'services:']
  for (let at = 0; at < services; at += 1) {
    lines.push(`  s${at}:`, `    address: ${serviceAddress(at)}`, '    servers:')
    for (let server = 0; server < servers; server += 1) {
      const own = at === Math.floor(services / 2) && server === 0 ? `, weight: ${weight}` : ''
      lines.push(`      - { address: ${serverAddress(at, server)}${own} }`)
    }
  }
  return `${lines.join('\n')}\n`
}

export function median(values: readonly number[]): number {
  return [...values].sort((a, b) => a - b)[Math.floor(values.length / 2)] ?? Number.NaN
}
