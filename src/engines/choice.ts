/** Which engine `auto` is: by what the services need, and what this machine has. Pure; docs/engines.md has it in words. */
import { Bug } from '../errors.ts'
import { isLoopback } from '../lvs/address.ts'
import { changedService, type EngineCapabilities, type EngineChange, type EngineName, isTableChange } from './engine.ts'
import { refusals } from './refusals.ts'
import { partFor } from './shares.ts'

/** Whether a machine has an engine. What could not be asked is not the same as what is not there. */
export type Presence =
  | { readonly kind: 'there' }
  | { readonly kind: 'absent'; readonly reason: string }
  | { readonly kind: 'unknown'; readonly reason: string }

export type Candidate = {
  readonly name: EngineName
  readonly presence: Presence
  readonly capabilities: EngineCapabilities
  /** It has services already, whoever made them. */
  readonly isInUse?: boolean
}

export type EngineChoice = {
  readonly name: EngineName
  readonly capabilities: EngineCapabilities
  /** Why this one, in words. */
  readonly reason: string
  /** Where no engine here can carry all: why the others do not. */
  readonly missing?: string
}

/**
 * The first of the candidates that can carry all; before it one that has services already, and before that `standing`,
 * which ran here last: connections do not move to another. Where none can, the one that refuses least, so that what
 * stands in the way can be told.
 */
export function chooseEngine(
  needs: readonly EngineChange[],
  candidates: readonly Candidate[],
  standing?: EngineName,
): EngineChoice {
  const judged = candidates.map((candidate) => ({ ...candidate, obstacle: obstacleOf(candidate, needs) }))
  const fit = judged.filter(({ obstacle }) => obstacle === undefined)
  const choose = ({ name, capabilities }: Candidate, reason: string): EngineChoice => ({ name, capabilities, reason })
  const before = fit.find(({ name }) => name === standing)
  if (before !== undefined) return choose(before, 'it ran here before')
  const inUse = fit.find(({ isInUse }) => isInUse === true)
  if (inUse !== undefined) return choose(inUse, 'it has services here already')
  const obstacles = judged.flatMap(({ name, obstacle }) => (obstacle === undefined ? [] : [`${name}: ${obstacle}`]))
  const [first] = fit
  if (first === undefined) return { ...leastRefusing(candidates, needs), missing: obstacles.join('; ') }
  const passed = obstacles.slice(
    0,
    judged.findIndex(({ name }) => name === first.name),
  )
  return choose(first, passed.length === 0 ? 'it can carry all, in the kernel' : `not ${passed.join('; not ')}`)
}

/** Why it cannot carry all of it here. */
function obstacleOf({ name, presence, capabilities }: Candidate, needs: readonly EngineChange[]): string | undefined {
  if (presence.kind === 'absent') return presence.reason
  if (presence.kind === 'unknown') return `could not be asked: ${presence.reason}`
  if (name === 'ebpf' || name === 'ipvs') {
    const own = needs.filter(isOfBase)
    if (own.length === 0) return 'no service needs it'
    const local = own.map(loopbackOf).find((address) => address !== undefined)
    if (local !== undefined) return `${local} is this machine itself: no packet passes by`
  }
  return refusals(name, capabilities, needs)[0]?.reason
}

function leastRefusing(candidates: readonly Candidate[], needs: readonly EngineChange[]): EngineChoice {
  const [best] = candidates
    .filter(({ presence }) => presence.kind === 'there')
    .toSorted((one, other) => refusedBy(one, needs) - refusedBy(other, needs))
  if (best === undefined) throw new Bug('the userspace engine is always there')
  return { name: best.name, capabilities: best.capabilities, reason: 'no engine here can carry all' }
}

function refusedBy({ name, capabilities }: Candidate, needs: readonly EngineChange[]): number {
  return refusals(name, capabilities, needs).length
}

/** What is read, and questions for names, have engines of their own beside each. */
function isOfBase(change: EngineChange): boolean {
  if (!isTableChange(change)) return false
  return partFor('service' in change ? change.service : { id: changedService(change) }) === 'base'
}

function loopbackOf(change: EngineChange): string | undefined {
  const id = 'service' in change ? change.service.id : undefined
  const address = 'server' in change ? change.server.address : id?.kind === 'address' ? id.address : undefined
  return address !== undefined && isLoopback(address) ? address : undefined
}
