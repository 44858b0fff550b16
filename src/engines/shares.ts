/** Which part of a composed engine makes which change, and what undoes it. Pure but for the reader that comes in. */
import { realServerKey, type Service, type ServiceId, serviceKey } from '../lvs/service.ts'
import type { Settings, Sysctls } from '../lvs/settings.ts'
import {
  changedService,
  type EngineCapabilities,
  type EngineChange,
  type EngineInfo,
  isTableChange,
  type ServiceSnapshot,
  type TableChange,
} from './engine.ts'

export type PartName = 'base' | 'application' | 'dns'

/** Applied one after the other, each as a whole. */
export type Share = { readonly part: PartName; readonly changes: readonly EngineChange[] }

type Places = ReadonlyMap<string, PartName>
type Reader = (part: PartName, id: ServiceId) => Promise<ServiceSnapshot | undefined>

/** What the base can do, and with it the parts. */
export function composedCapabilities(base: EngineCapabilities): EngineCapabilities {
  return { ...base, applications: ['http', 'sni', 'tls'], dns: true }
}

/** Where a service belongs by what it is. */
export function partFor({ id, application }: Pick<Service, 'id' | 'application'>): PartName {
  if (id.kind === 'dns') return 'dns'
  return id.kind === 'pool' || application !== undefined ? 'application' : 'base'
}

/** Where a service stands, or would be looked for. */
export function partOf(id: ServiceId, places: Places): PartName {
  return places.get(serviceKey(id)) ?? partFor({ id })
}

/**
 * Shares out the changes. A service that becomes another kind moves with its servers. What goes away goes first, in all
 * parts: the address it held may be what another part needs.
 */
export async function sharesOf(
  changes: readonly EngineChange[],
  standing: Places,
  read: Reader,
  capabilitiesOf: (part: PartName) => EngineCapabilities | undefined,
): Promise<{ readonly shares: readonly Share[]; readonly places: Places }> {
  const places = new Map(standing)
  const leaving = new Map<PartName, EngineChange[]>()
  const rest = new Map<PartName, EngineChange[]>([['base', []]])
  const put = (to: Map<PartName, EngineChange[]>, part: PartName, change: EngineChange): void => {
    const list = to.get(part)
    if (list === undefined) to.set(part, [change])
    else list.push(change)
  }
  const timesTouched = countByService(changes)
  for (const change of changes) {
    if (!isTableChange(change)) {
      put(rest, 'base', change)
      if (change.kind !== 'settings') continue
      for (const part of ['application', 'dns'] as const) {
        const can = capabilitiesOf(part)
        if (can !== undefined) put(rest, part, heededOnly(change, can))
      }
      continue
    }
    const key = serviceKey(changedService(change))
    const from = places.get(key)
    if (change.kind === 'service.remove') {
      put(timesTouched.get(key) === 1 ? leaving : rest, partOf(change.id, places), change)
      places.delete(key)
    } else if (change.kind === 'service.add' || change.kind === 'service.update') {
      const to = partFor(change.service)
      if (from !== undefined && from !== to) {
        const { id } = change.service
        put(leaving, from, { kind: 'service.remove', id })
        put(rest, to, { kind: 'service.add', service: change.service })
        for (const added of serversAsAdded(id, await read(from, id))) put(rest, to, added)
      } else put(rest, to, change)
      places.set(key, to)
    } else put(rest, partOf(changedService(change), places), change)
  }
  const asShares = (phase: Map<PartName, EngineChange[]>): Share[] =>
    [...phase].filter(([, own]) => own.length > 0).map(([part, own]) => ({ part, changes: own }))
  const shares = [...asShares(leaving), ...asShares(rest)]
  return { shares: shares.length === 0 ? [{ part: 'base', changes: [] }] : joined(shares), places }
}

/** One part alone makes all its changes in one go. */
function joined(shares: readonly Share[]): readonly Share[] {
  const [first] = shares
  if (first === undefined || shares.some(({ part }) => part !== first.part)) return shares
  return [{ part: first.part, changes: shares.flatMap(({ changes }) => changes) }]
}

function countByService(changes: readonly EngineChange[]): ReadonlyMap<string, number> {
  const counts = new Map<string, number>()
  for (const change of changes) {
    if (!isTableChange(change)) continue
    const key = serviceKey(changedService(change))
    counts.set(key, (counts.get(key) ?? 0) + 1)
  }
  return counts
}

/** Oldest first, so that they stand in the same order again. */
function serversAsAdded(id: ServiceId, snapshot: ServiceSnapshot | undefined): TableChange[] {
  return [...(snapshot?.servers ?? [])].reverse().map(({ server }) => ({ kind: 'server.add', id, server }))
}

/** The changes that bring a part back to what stood before, as far as it was touched. */
export function undoing(
  made: readonly EngineChange[],
  before: readonly ServiceSnapshot[],
  info: EngineInfo,
): EngineChange[] {
  return [...undoingTable(made, before), ...made.flatMap((change) => undoingGeneral(change, info))]
}

function undoingGeneral(change: EngineChange, { settings, daemons }: EngineInfo): EngineChange[] {
  switch (change.kind) {
    case 'settings': {
      const touched = Object.keys(change.settings.sysctls ?? {})
      const sysctls = Object.fromEntries(Object.entries(settings.sysctls).filter(([name]) => touched.includes(name)))
      return [{ kind: 'settings', settings: { timeouts: settings.timeouts, sysctls } }]
    }
    case 'daemon.start':
      return [{ kind: 'daemon.stop', role: change.daemon.role }]
    case 'daemon.stop':
      return daemons.flatMap((daemon) => (daemon.role === change.role ? [{ kind: 'daemon.start', daemon }] : []))
    default:
      return []
  }
}

function undoingTable(made: readonly EngineChange[], before: readonly ServiceSnapshot[]): TableChange[] {
  const snapshots = new Map(before.map((snapshot) => [serviceKey(snapshot.service.id), snapshot]))
  const touched = new Map(made.filter(isTableChange).map((change) => [serviceKey(changedService(change)), change]))
  return [...touched].flatMap(([key, change]): TableChange[] => {
    const id = changedService(change)
    const snapshot = snapshots.get(key)
    if (snapshot === undefined) return [{ kind: 'service.remove', id }]
    const kept = new Set(snapshot.servers.map(({ server }) => realServerKey(server)))
    const added = made.flatMap((own) =>
      own.kind === 'server.add' && serviceKey(own.id) === key && !kept.has(realServerKey(own.server))
        ? [own.server]
        : [],
    )
    return [
      { kind: 'service.add', service: snapshot.service },
      ...added.map((server): TableChange => ({ kind: 'server.remove', id, server })),
      ...serversAsAdded(id, snapshot),
    ]
  })
}

type SettingsOnly = Extract<EngineChange, { readonly kind: 'settings' }>

/** A part is told only of what it heeds: it would refuse the rest, which is not meant for it. */
function heededOnly({ settings }: SettingsOnly, can: EngineCapabilities): SettingsOnly {
  const { timeouts, sysctls = {} } = settings
  const heeded = Object.fromEntries(
    Object.entries(sysctls).filter(([name]) => (can.sysctls as readonly string[]).includes(name)),
  ) as Partial<Sysctls>
  return { kind: 'settings', settings: { ...(timeouts === undefined ? {} : { timeouts }), sysctls: heeded } }
}

/** What a part that is opened later has to know at once. */
export function settingsFor({ timeouts, sysctls }: Settings, can: EngineCapabilities): SettingsOnly {
  return heededOnly({ kind: 'settings', settings: { timeouts, sysctls } }, can)
}
