/** What libvirt says of its guests: Baton's, and those that somebody else made. */
import { InfraError, isInfraError } from '../../errors.ts'
import type { Value } from '../../wire/libvirt/notation.ts'
import { knownAddresses } from '../addresses.ts'
import type { CallOptions, GuestReach, GuestRunState, GuestState } from '../hypervisor.ts'
import { standingDefinition, unknownGuest } from '../lifecycle.ts'
import { parseForwards } from '../qemu/user-network.ts'
import type { Connection } from './connection.ts'
import { type ReadDomain, readDomain } from './domain.ts'

export type Domain = Value<'dom'>

/** virDomainState and the one reason that matters (libvirt-domain.h). */
const states = { running: 1, blocked: 2, paused: 3, shuttingDown: 4, shutoff: 5, crashed: 6, suspended: 7 } as const
const shutoffCrashed = 3

/** Flags of the calls. */
export const xmlInactive = 2
const listFlags = { managedSave: 256, autostart: 1024 } as const
const stateStatistics = 1
/** Busy guests do not hold up the list: they are told without what they would have to be asked for. */
const noWait = 2 ** 29
/** Guests asked at once. */
const atOnce = 4

/** One guest as it stands: what an operation decides by. */
export type Known = ReadDomain & { readonly domain: Domain; readonly state: GuestRunState; readonly isActive: boolean }

/** @throws InfraError `not-found` for an unknown guest. */
export async function knownGuest(connection: Connection, name: string, options: CallOptions): Promise<Known> {
  const found = await findGuest(connection, name, options)
  if (found === undefined) throw unknownGuest(name)
  return found
}

/** undefined when there is none of this name. */
export async function findGuest(
  connection: Connection,
  name: string,
  options: CallOptions,
): Promise<Known | undefined> {
  try {
    const [domain] = await connection.call('domainLookupByName', [name], options)
    const [state, reason] = await connection.call('domainGetState', [domain, 0], options)
    const [saved] = await connection.call('domainHasManagedSaveImage', [domain, 0], options)
    const [xml] = await connection.call('domainGetXmlDesc', [domain, xmlInactive], options)
    const read = readDomain(xml, false)
    return { ...read, domain, isActive: isActive(state), state: runStateOf(state, reason, saved === 1, read) }
  } catch (error) {
    if (isInfraError(error, 'not-found')) return undefined
    throw error
  }
}

export async function listGuests(connection: Connection, options: CallOptions): Promise<readonly GuestState[]> {
  const [[statistics], [autostarted], [saved]] = await Promise.all([
    connection.call('connectGetAllDomainStats', [[], stateStatistics, noWait], options),
    connection.call('connectListAllDomains', [1, listFlags.autostart], options),
    connection.call('connectListAllDomains', [1, listFlags.managedSave], options),
  ])
  const autostart = new Set(autostarted.map(({ uuid }) => uuid))
  const withImage = new Set(saved.map(({ uuid }) => uuid))
  const guests: GuestState[] = []
  const queue = [...statistics]
  const worker = async (): Promise<void> => {
    for (let next = queue.shift(); next !== undefined; next = queue.shift()) {
      const { dom, values } = next
      const number = (field: string): number => Number(values.find((value) => value.field === field)?.value ?? 0)
      const listed = {
        dom,
        state: number('state.state'),
        reason: number('state.reason'),
        autostart: autostart.has(dom.uuid),
        saved: withImage.has(dom.uuid),
      }
      const guest = await guestState(connection, listed, options)
      if (guest !== undefined) guests.push(guest)
    }
  }
  await Promise.all(Array.from({ length: atOnce }, worker))
  return guests.sort((a, b) => (a.definition.name < b.definition.name ? -1 : 1))
}

type Listed = {
  readonly dom: Domain
  readonly state: number
  readonly reason: number
  readonly autostart: boolean
  readonly saved: boolean
}

/** undefined when it was undefined while we looked. */
async function guestState(
  connection: Connection,
  { dom, state, reason, autostart, saved }: Listed,
  options: CallOptions,
): Promise<GuestState | undefined> {
  try {
    const read = async (flags: number): Promise<ReadDomain> =>
      readDomain((await connection.call('domainGetXmlDesc', [dom, flags], options))[0], autostart)
    const recorded = await read(xmlInactive)
    const runState = runStateOf(state, reason, saved, recorded)
    if (!isActive(state)) return { definition: recorded.definition, state: runState, reach: [] }
    const started = await read(0)
    const definition = recorded.isOurs
      ? standingDefinition(recorded.definition, started.definition)
      : started.definition
    const reach = recorded.isOurs && definition.network.kind === 'user' ? await reachOf(connection, dom, options) : []
    const known = await addressesOf(connection, dom, definition.network, options)
    return {
      definition,
      state: runState,
      id: dom.id,
      reach,
      acceleration: started.type === 'kvm' ? 'kvm' : 'tcg',
      ...known,
    }
  } catch (error) {
    if (isInfraError(error, 'not-found')) return undefined
    throw error
  }
}

function isActive(state: number): boolean {
  return state !== states.shutoff && state !== states.crashed && state !== 0
}

function runStateOf(state: number, reason: number, saved: boolean, { notes }: ReadDomain): GuestRunState {
  if (state === states.paused || state === states.suspended) return 'paused'
  if (isActive(state)) return 'running'
  if (saved) return 'saved'
  const crashed = state === states.crashed || reason === shutoffCrashed
  return crashed && notes.crashSeen !== true ? 'crashed' : 'stopped'
}

/** The forwarded ports of a running guest, as QEMU has them; one that is just going has none. */
export async function reachOf(connection: Connection, domain: Domain, options: CallOptions): Promise<GuestReach[]> {
  try {
    return parseForwards(await monitor(connection, domain, 'info usernet', options))
  } catch (error) {
    if (isInfraError(error, 'invalid')) return []
    throw error
  }
}

const humanMonitor = 1

/** A line of QEMU's monitor, for the user network's ports: libvirt itself has no words for them before 9.0 with passt. */
export async function monitor(
  connection: Connection,
  domain: Domain,
  line: string,
  options: CallOptions,
): Promise<string> {
  const [answer] = await connection.call('monitorCommand', [domain, line, humanMonitor], options)
  return answer
}

/** VIR_DOMAIN_INTERFACE_ADDRESSES_SRC_*: a lease of libvirt's own network, the guest's agent, the neighbour table. */
const addressSources = [0, 1, 2] as const

/** The guest's own addresses on a bridge or network, in the order of who knows them. A fixed one is known beforehand. */
async function addressesOf(
  connection: Connection,
  domain: Domain,
  network: GuestState['definition']['network'],
  options: CallOptions,
): Promise<Pick<GuestState, 'address' | 'addresses'>> {
  if (network.kind === 'user') return {}
  const fixed = network.address?.split('/')[0]
  if (fixed !== undefined) return { address: fixed }
  for (const source of addressSources) {
    const found = await connection
      .call('domainInterfaceAddresses', [domain, source, 0], options)
      .catch((error: unknown) => {
        // An agent that is not there, a network without leases: nothing is known, and that is no error.
        if (error instanceof InfraError && !options.signal.aborted && error.code !== 'unreachable') return undefined
        if (isInfraError(error, 'unreachable') && !connection.lost.aborted) return undefined
        throw error
      })
    const cards = (found?.[0] ?? []).filter(({ name }) => name !== 'lo')
    const known = knownAddresses(cards.flatMap(({ addresses }) => addresses.map(({ address }) => address)))
    if (known.address !== undefined) return known
  }
  return {}
}
