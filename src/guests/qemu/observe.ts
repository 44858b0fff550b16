/** What is known of the guests of a host: their records in files, their state from their processes. */
import { setTimeout as sleep } from 'node:timers/promises'
import { isInfraError } from '../../errors.ts'
import type { Host } from '../../hosts/host.ts'
import { type HostAddresses, hostAddresses, knownAddresses } from '../addresses.ts'
import type { CallOptions, GuestDefinition, GuestReach, GuestRunState, GuestState } from '../hypervisor.ts'
import { isGuestName, standingDefinition, unknownGuest } from '../lifecycle.ts'
import { macOfGuest } from '../mac-address.ts'
import { readJson } from '../records.ts'
import { agentAddresses } from './agent.ts'
import { type GuestPaths, guestPaths, savedName } from './paths.ts'
import { findProcess } from './process.ts'
import { type Qmp, withQmp } from './qmp.ts'
import { parseForwards, sameForwards } from './user-network.ts'

/** One guest as it stands: what an operation decides by. */
export type Known = {
  readonly definition: GuestDefinition
  readonly paths: GuestPaths
  readonly state: GuestRunState
  /** While it has a process. */
  readonly pid: number | undefined
}

/** `started.json`: what runs, and since which boot of the host. */
export type Started = { readonly definition: GuestDefinition; readonly bootId: string }

/** What was found of a guest's process. `silent`: it stands and does not answer: it starts, or it hangs. */
export type ProcessState =
  | { readonly kind: 'none' | 'crashed' }
  | { readonly kind: 'silent'; readonly pid: number }
  | { readonly kind: 'alive'; readonly pid: number; readonly status: string }

/** How long a listing waits for a guest that does not answer, and an operation. */
const listPatienceMs = 3_000
const operationPatienceMs = 10_000
/** Conversations at once: each costs a few file descriptors and a little of two processes' time. */
const listedAtOnce = 16

/** While saved memory stands the guest has not executed since, whatever process there is. */
export function runStateOf(process: ProcessState, hasSavedMemory: boolean): GuestRunState {
  if (process.kind === 'alive' && process.status === 'running') return 'running'
  if (hasSavedMemory) return 'saved'
  const states = { none: 'stopped', crashed: 'crashed', silent: 'running', alive: 'paused' } as const
  return states[process.kind]
}

/** @throws InfraError `not-found` for an unknown guest. */
export async function knownGuest(host: Host, name: string, options: CallOptions): Promise<Known> {
  const paths = guestPaths(host.directories, name)
  const definition = isGuestName(name) ? await readDefinition(host, paths, options) : undefined
  if (definition === undefined) throw unknownGuest(name)
  const found = await inspect(host, paths, operationPatienceMs, options, async () => undefined)
  const state = runStateOf(found.process, await hasSaved(host, paths, options))
  return { definition, paths, state, pid: 'pid' in found.process ? found.process.pid : undefined }
}

export async function listGuests(host: Host, options: CallOptions): Promise<readonly GuestState[]> {
  const names = (await host.list(`${host.directories.state}/guests`, options)) ?? []
  const known = hostAddresses(host, options)
  const states: GuestState[] = []
  const queue = names.filter(isGuestName)
  const worker = async (): Promise<void> => {
    for (let name = queue.shift(); name !== undefined; name = queue.shift()) {
      const state = await guestState(host, name, known, options)
      if (state !== undefined) states.push(state)
    }
  }
  await Promise.all(Array.from({ length: listedAtOnce }, worker))
  return states.sort((a, b) => (a.definition.name < b.definition.name ? -1 : 1))
}

/** undefined when it is undefined, perhaps while we looked. */
async function guestState(
  host: Host,
  name: string,
  known: HostAddresses,
  options: CallOptions,
): Promise<GuestState | undefined> {
  const paths = guestPaths(host.directories, name)
  const definition = await readDefinition(host, paths, options)
  if (definition === undefined) return undefined
  const { process, detail } = await inspect(host, paths, listPatienceMs, options, (qmp) => queryDetail(qmp))
  const state = runStateOf(process, await hasSaved(host, paths, options))
  if (!('pid' in process) || (state !== 'running' && state !== 'paused')) return { definition, state, reach: [] }
  // One that does not answer is reached where it was: only we change its forwards.
  const reach = detail?.reach ?? (await readJson<readonly GuestReach[]>(host, paths.ports, options)) ?? []
  const started = (await readStarted(host, paths, options))?.definition ?? definition
  const standing = withForwards(standingDefinition(definition, started), detail?.reach)
  const talks = detail?.hasAgent === true && state === 'running'
  const told = talks ? await agentAddresses(host, paths.agent, options) : []
  return {
    definition: standing,
    state,
    id: process.pid,
    reach: standing.network.kind === 'user' ? reach : [],
    ...(detail === undefined ? {} : { acceleration: detail.acceleration }),
    ...(await addressesOf(standing, told, known)),
  }
}

/** What really is forwarded; in the record's own order, so that nothing looks changed that is not. */
export function withForwards(standing: GuestDefinition, reach: readonly GuestReach[] | undefined): GuestDefinition {
  const { network } = standing
  if (network.kind !== 'user' || reach === undefined || sameForwards(reach, network.forwards)) return standing
  return { ...standing, network: { kind: 'user', forwards: reach.flatMap(forwardOf) } }
}

function forwardOf({ protocol, guestPort }: GuestReach): { readonly protocol: 'tcp' | 'udp'; readonly port: number }[] {
  return protocol === 'sctp' ? [] : [{ protocol, port: guestPort }]
}

/** A fixed one is known beforehand; else by lease, agent and neighbour table, in this order. */
async function addressesOf(
  guest: GuestDefinition,
  told: readonly string[],
  known: HostAddresses,
): Promise<Pick<GuestState, 'address' | 'addresses'>> {
  if (guest.network.kind === 'user') return {}
  const { bridge, address } = guest.network
  const fixed = address?.split('/')[0]
  if (fixed !== undefined) return { address: fixed }
  const mac = macOfGuest('qemu', guest)
  return knownAddresses([...(await known.leased(bridge, mac)), ...told, ...(await known.heard(bridge, mac))])
}

type Detail = {
  readonly acceleration: 'kvm' | 'tcg'
  readonly reach: readonly GuestReach[]
  readonly hasAgent: boolean
}

async function queryDetail(qmp: Qmp): Promise<Detail> {
  const { enabled } = (await qmp.execute('query-kvm')) as { readonly enabled: boolean }
  const ports = (await qmp.execute('query-chardev')) as readonly { label: string; 'frontend-open': boolean }[]
  return {
    acceleration: enabled ? 'kvm' : 'tcg',
    reach: parseForwards(await qmp.monitor('info usernet')),
    hasAgent: ports.some((port) => port.label === 'agent' && port['frontend-open']),
  }
}

/** The guest's process and what it says; one that ends while we look is looked for again. */
async function inspect<T>(
  host: Host,
  paths: GuestPaths,
  patienceMs: number,
  options: CallOptions,
  more: (qmp: Qmp) => Promise<T>,
): Promise<{ readonly process: ProcessState; readonly detail?: T }> {
  const until = performance.now() + patienceMs
  for (let waitMs = 5; ; waitMs *= 2) {
    const pid = await findProcess(host, paths, options)
    if (pid === 'crashed') return { process: { kind: await crashedOrGone(host, paths, options) } }
    if (pid === undefined) return { process: { kind: 'none' } }
    try {
      return await withQmp(host, paths.control, { ...options, patienceMs }, async (qmp) => {
        const { status } = (await qmp.execute('query-status')) as { readonly status: string }
        return { process: { kind: 'alive', pid, status }, detail: await more(qmp) }
      })
    } catch (error) {
      if (options.signal.aborted || !isInfraError(error)) throw error
      if (performance.now() + waitMs > until) return { process: { kind: 'silent', pid } }
      await sleep(waitMs)
    }
  }
}

/** What ran at another boot of the host went down with the host: that is no crash of the guest. */
async function crashedOrGone(host: Host, paths: GuestPaths, options: CallOptions): Promise<'crashed' | 'none'> {
  const started = await readStarted(host, paths, options)
  const { bootId } = await host.facts(options)
  return started === undefined || started.bootId === bootId ? 'crashed' : 'none'
}

async function hasSaved(host: Host, paths: GuestPaths, options: CallOptions): Promise<boolean> {
  return ((await host.list(paths.state, options)) ?? []).includes(savedName)
}

export async function readDefinition(
  host: Host,
  paths: GuestPaths,
  options: CallOptions,
): Promise<GuestDefinition | undefined> {
  return readJson(host, paths.definition, options)
}

export async function readStarted(host: Host, paths: GuestPaths, options: CallOptions): Promise<Started | undefined> {
  return readJson(host, paths.started, options)
}
