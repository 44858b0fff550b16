/** What is wrong between the routers of one id, kept while it lasts, and said in words that an operator understands. Pure. */
import type { RouterConfig } from './config.ts'
import type { RouterKind } from './machine.ts'
import type { Refusal } from './receive.ts'

export type Finding =
  | { readonly kind: 'refused'; readonly from: string; readonly interface: string; readonly refusal: Refusal }
  /** Another master that was told to stop, and did not. */
  | { readonly kind: 'split-brain'; readonly from: string; readonly interface: string; readonly priority: number }

export type Diagnosis = {
  readonly finding: Finding
  readonly count: number
  readonly firstMs: number
  readonly lastMs: number
}

/** By what is wrong with whom. */
export type Diagnoses = ReadonlyMap<string, Diagnosis>

export type Noted = {
  readonly diagnoses: Diagnoses
  /** To be told now: new, or as many times again as before. */
  readonly news: Diagnosis | undefined
}

/** Sources can be made up: more are not kept. */
const most = 64
/** One that has been told gives way with its next advertisement: more than these is a habit. */
const conflictsBorne = 3

export function note(diagnoses: Diagnoses, finding: Finding, atMs: number): Noted {
  const key = keyOf(finding)
  const known = diagnoses.get(key)
  if (known === undefined && diagnoses.size >= most) return { diagnoses, news: undefined }
  const next = { finding, count: (known?.count ?? 0) + 1, firstMs: known?.firstMs ?? atMs, lastMs: atMs }
  return { diagnoses: new Map(diagnoses).set(key, next), news: isNews(next) ? next : undefined }
}

function keyOf({ kind, from, ...rest }: Finding): string {
  return [kind, from, rest.interface, 'refusal' in rest ? rest.refusal.kind : ''].join(' ')
}

/** The first, the tenth, the hundredth … of its kind. */
function isNews({ finding, count }: Diagnosis): boolean {
  const from = finding.kind === 'split-brain' ? count - conflictsBorne : count
  return from >= 1 && Number.isInteger(Math.log10(from))
}

/** What has not been seen for `keepMs` is over. */
export function withoutOld(diagnoses: Diagnoses, atMs: number, keepMs: number): Diagnoses {
  const kept = [...diagnoses].filter(([, { lastMs }]) => atMs - lastMs <= keepMs)
  return kept.length === diagnoses.size ? diagnoses : new Map(kept)
}

/** What an operator should know of now. */
export function standing(diagnoses: Diagnoses): Diagnosis[] {
  return [...diagnoses.values()].filter(
    ({ finding, count }) => finding.kind !== 'split-brain' || count > conflictsBorne,
  )
}

export function describeFinding(config: RouterConfig, kind: RouterKind, finding: Finding): string {
  const place = `${finding.from} on ${finding.interface}`
  if (finding.kind === 'split-brain')
    return (
      `split brain: ${place} is master of ${id(config)}, too (priority ${finding.priority}), and goes on although this one ` +
      `advertises: it does not hear this machine; see whether a firewall or switch stops protocol 112 on the way there`
    )
  const consequence = kind === 'master' ? '; both are master until that is put right' : ''
  return `${refusalText(config, place, finding.refusal)}${consequence}`
}

function refusalText(config: RouterConfig, place: string, refusal: Refusal): string {
  switch (refusal.kind) {
    case 'malformed':
      return `${place} sends what is no advertisement for ${id(config)} (${refusal.detail})`
    case 'hops':
      return `an advertisement of ${place} for ${id(config)} came over a router (TTL ${refusal.hops}, expected 255): ignored`
    case 'version':
      return `${place} speaks VRRP version ${refusal.version} for ${id(config)}, this machine version ${config.version}: give both the same version`
    case 'authentication':
      return `${place} uses ${refusal.theirs} for ${id(config)}, this machine ${config.password === undefined ? 'no authentication' : 'a password'}: give both the same`
    case 'password':
      return `${place} has another password for ${id(config)}`
    case 'interval':
      return `${place} advertises ${id(config)} every ${refusal.intervalMs / 1000} s, this machine every ${config.intervalMs / 1000} s: give both the same interval`
    case 'checksum':
      return `advertisements of ${place} for ${id(config)} have a wrong checksum`
    case 'no-addresses':
      return `${place} advertises ${id(config)} without addresses`
    case 'addresses':
      return addressesText(config, place, refusal)
    case 'stranger':
      return `${place} advertises ${id(config)}, and is none of the peers of this machine`
    case 'destination':
      return `${place} sends advertisements for ${id(config)} to ${refusal.destination}: give both multicast, or both each other's addresses as peers`
    case 'own-address':
      return `another machine advertises ${id(config)} from ${place}, which is this machine's own address; or its own advertisements come back to it`
    default:
      return refusal satisfies never
  }
}

/** Nothing in common: it is another virtual router. */
function addressesText(
  config: RouterConfig,
  place: string,
  { missing, extra }: Refusal & { readonly kind: 'addresses' },
): string {
  if (missing.length === config.addresses.length && extra.length > 0)
    return `${id(config)} is taken: ${place} uses it for ${extra.join(', ')}; give one of the two another id`
  const differences = [
    ...(missing.length === 0 ? [] : [`without ${missing.join(', ')}`]),
    ...(extra.length === 0 ? [] : [`with ${extra.join(', ')}`]),
  ]
  const how = differences.length === 0 ? 'some of them twice' : differences.join(' and ')
  return `${place} advertises other addresses for ${id(config)} than this machine: ${how}; give both the same list`
}

function id(config: RouterConfig): string {
  return `virtual router ${config.id} (${config.name})`
}
