/** What the eBPF engine is told when it begins: where it takes packets, and how large its tables are. */

/** How much its tables take, by its name in files and on the command line. */
export const limitNames = ['connections', 'half-open', 'templates', 'services', 'servers', 'table-entries', 'destinations'] as const // biome-ignore format: a list to read at a glance
export type LimitName = (typeof limitNames)[number]
export type LimitTuning = Partial<Readonly<Record<LimitName, number>>>

/** Whether connections that stand are sent on by interfaces' drivers, ahead of the stack: wherever that gains, or everywhere. */
export const xdpWays = ['off', 'auto', 'native'] as const
export type Xdp = (typeof xdpWays)[number]

/** What is left out is chosen by the engine. */
export type EbpfTuning = {
  /** Names of network interfaces. */
  readonly interfaces?: readonly string[]
  readonly xdp?: Xdp
  readonly limits?: LimitTuning
}

/** Left out, half-open connections are this share of all. */
const halfOpenShare = 8

export const defaultLimits: Readonly<Record<Exclude<LimitName, 'half-open'>, number>> = {
  connections: 1_000_000,
  templates: 262_144,
  services: 16_384,
  servers: 65_536,
  'table-entries': 1_048_576,
  destinations: 131_072,
}

/** The least and the most of each. */
export const limitRanges: Readonly<Record<LimitName, readonly [least: number, most: number]>> = {
  connections: [16, 100_000_000],
  'half-open': [1, 100_000_000],
  templates: [16, 100_000_000],
  services: [1, 65_536],
  servers: [1, 1_000_000],
  'table-entries': [256, 64_000_000],
  destinations: [16, 16_000_000],
}

export const limitMeanings: Readonly<Record<LimitName, string>> = {
  connections: 'connections; while it stands, each takes up to 500 bytes of the kernel’s memory',
  'half-open': 'connections whose client has been heard of once only; an eighth of all when left out',
  templates: 'clients that persistence remembers',
  services: 'virtual services',
  servers: 'real servers of all services together',
  'table-entries':
    'entries of all services’ lists and hash tables: a server takes one, sh and dh 256 a service, mh 4,093',
  destinations: 'destinations that lblc and lblcr remember, of all services together',
}

/** All limits, with those that are left out. */
export function limitsOf(tuning: LimitTuning = {}): Readonly<Record<LimitName, number>> {
  const limits = { ...defaultLimits, ...tuning }
  return { 'half-open': Math.max(Math.floor(limits.connections / halfOpenShare), 1), ...limits }
}

/** What is wrong with it, in words, or the limit: `connections=2000000`. */
export function parseLimit(
  text: string,
): { readonly wrong: string } | { readonly name: LimitName; readonly most: number } {
  const [, word, number = ''] = /^([^=]*)=(\d+)$/u.exec(text) ?? []
  const name = limitNames.find((known) => known === word)
  if (word === undefined) return { wrong: `${text} is no limit: expected NAME=NUMBER, such as connections=2000000` }
  if (name === undefined) return { wrong: `there is no limit ${word}: expected one of ${limitNames.join(' ')}` }
  const [least, most] = limitRanges[name]
  if (Number(number) >= least && Number(number) <= most) return { name, most: Number(number) }
  return { wrong: `limit ${name} is from ${least} to ${most}, not ${number}` }
}

/** As `baton director` takes it. */
export function tuningArguments({ interfaces, xdp, limits = {} }: EbpfTuning = {}): string[] {
  const given = limitNames.filter((name) => limits[name] !== undefined).map((name) => `${name}=${limits[name]}`)
  return [
    ...(interfaces === undefined || interfaces.length === 0 ? [] : ['--interface', ...interfaces]),
    ...(xdp === undefined ? [] : ['--xdp', xdp]),
    ...(given.length === 0 ? [] : ['--limit', ...given]),
  ]
}

/** Whether an engine that began with `standing` is as `wanted` says; what that leaves out may be as it is. */
export function isTuned(standing: EbpfTuning | undefined, wanted: EbpfTuning | undefined): boolean {
  const { interfaces, xdp, limits = {} } = wanted ?? {}
  if (interfaces !== undefined && !isSame(interfaces, standing?.interfaces)) return false
  if (xdp !== undefined && xdp !== (standing?.xdp ?? 'off')) return false
  const stand = limitsOf(standing?.limits)
  return limitNames.every((name) => limits[name] === undefined || limits[name] === stand[name])
}

function isSame(some: readonly string[], others: readonly string[] | undefined): boolean {
  return others !== undefined && some.length === others.length && some.every((one) => others.includes(one))
}
