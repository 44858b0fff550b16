/** The table made by hand, and what a run of edits would make of it. In memory only. */
import type { EngineChange } from '../engines/engine.ts'
import type { SyncDaemon, TableEdit } from '../lvs/edit.ts'
import { type EditView, isMixedFamily } from '../lvs/edit-rules.ts'
import { type RealServer, realServerKey, type Service, type ServiceId, serviceKey } from '../lvs/service.ts'
import type { Timeouts } from '../lvs/settings.ts'

/** Servers by key, the oldest first: added in this order, they stand in the engine as they did. */
export type HandService = { readonly service: Service; readonly servers: ReadonlyMap<string, RealServer> }

export type HandTable = {
  /** By service key, in the order in which they were made. */
  readonly services: ReadonlyMap<string, HandService>
  readonly timeouts: () => Partial<Timeouts>
  readonly daemons: () => readonly SyncDaemon[]
  /** How many servers are of another family than their service. */
  readonly mixed: () => number
  /** Takes over an edit that was found right. */
  make(edit: TableEdit): void
  /** The edits that make this table out of an empty one. */
  edits(): Iterable<TableEdit>
}

type Mutable = { service: Service; readonly servers: Map<string, RealServer> }

export function handTable(): HandTable {
  const services = new Map<string, Mutable>()
  let timeouts: Partial<Timeouts> = {}
  let daemons: readonly SyncDaemon[] = []
  let mixed = 0
  return {
    services,
    timeouts: () => timeouts,
    daemons: () => daemons,
    mixed: () => mixed,
    make(edit) {
      switch (edit.kind) {
        case 'service.add':
          services.set(serviceKey(edit.service.id), { service: edit.service, servers: new Map() })
          break
        case 'service.edit': {
          const standing = services.get(serviceKey(edit.service.id))
          if (standing !== undefined) standing.service = edit.service
          break
        }
        case 'service.delete':
          mixed -= mixedIn(services.get(serviceKey(edit.id)))
          services.delete(serviceKey(edit.id))
          break
        case 'server.add':
          mixed += Number(isMixedFamily(edit.id, edit.server))
          services.get(serviceKey(edit.id))?.servers.set(realServerKey(edit.server), edit.server)
          break
        case 'server.edit':
          services.get(serviceKey(edit.id))?.servers.set(realServerKey(edit.server), edit.server)
          break
        case 'server.delete':
          mixed -= Number(isMixedFamily(edit.id, edit.server))
          services.get(serviceKey(edit.id))?.servers.delete(realServerKey(edit.server))
          break
        case 'flush':
          mixed = 0
          services.clear()
          break
        case 'timeouts':
          timeouts = { ...timeouts, ...edit.timeouts }
          break
        case 'daemon.start':
        case 'daemon.stop':
          daemons = daemonsAfter(daemons, edit)
          break
        case 'zero':
          break
      }
    },
    *edits() {
      for (const { service, servers } of services.values()) {
        yield { kind: 'service.add', service }
        for (const server of servers.values()) yield { kind: 'server.add', id: service.id, server }
      }
      if (Object.keys(timeouts).length > 0) yield { kind: 'timeouts', timeouts }
      for (const daemon of daemons) yield { kind: 'daemon.start', daemon }
    },
  }
}

/** A table as it would be after some edits; the table itself stays as it is. Costs what the edits cost, not the table. */
export type Draft = EditView & { make(edit: SmallEdit): void }

/** An edit of one thing; the others are made by themselves, on the table as it stands. */
export type SmallEdit = Exclude<TableEdit, { readonly kind: 'flush' | 'zero' }>

/** `service` undefined: it is gone. `isNew`: the servers in the table do not count any more. */
type Touched = { service: Service | undefined; isNew: boolean; readonly servers: Map<string, RealServer | undefined> }

export function draftOf(table: HandTable): Draft {
  const touched = new Map<string, Touched>()
  let daemons = table.daemons()
  let mixed = table.mixed()
  const touch = (id: ServiceId): Touched => {
    const key = serviceKey(id)
    const known = touched.get(key)
    if (known !== undefined) return known
    const fresh: Touched = { service: table.services.get(key)?.service, isNew: false, servers: new Map() }
    touched.set(key, fresh)
    return fresh
  }
  return {
    service(id) {
      const key = serviceKey(id)
      const draft = touched.get(key)
      return draft === undefined ? table.services.get(key)?.service : draft.service
    },
    server(id, endpoint) {
      const [key, serverKey] = [serviceKey(id), realServerKey(endpoint)]
      const draft = touched.get(key)
      if (draft?.servers.has(serverKey)) return draft.servers.get(serverKey)
      return draft?.isNew ? undefined : table.services.get(key)?.servers.get(serverKey)
    },
    daemons: () => daemons,
    hasMixedFamilies: () => mixed > 0,
    make(edit) {
      switch (edit.kind) {
        case 'service.add':
        case 'service.edit':
          touch(edit.service.id).service = edit.service
          break
        case 'service.delete':
          mixed -= mixedIn(table.services.get(serviceKey(edit.id)), touched.get(serviceKey(edit.id)))
          touched.set(serviceKey(edit.id), { service: undefined, isNew: true, servers: new Map() })
          break
        case 'server.add':
          mixed += Number(isMixedFamily(edit.id, edit.server))
          touch(edit.id).servers.set(realServerKey(edit.server), edit.server)
          break
        case 'server.edit':
          touch(edit.id).servers.set(realServerKey(edit.server), edit.server)
          break
        case 'server.delete':
          mixed -= Number(isMixedFamily(edit.id, edit.server))
          touch(edit.id).servers.set(realServerKey(edit.server), undefined)
          break
        case 'daemon.start':
        case 'daemon.stop':
          daemons = daemonsAfter(daemons, edit)
          break
        case 'timeouts':
          break
      }
    },
  }
}

/** How many of a service's servers are of another family than it is, as drafted. */
function mixedIn(standing: HandService | undefined, draft?: Touched): number {
  const service = draft === undefined ? standing?.service : draft.service
  if (service === undefined) return 0
  const servers = new Map<string, RealServer | undefined>(draft?.isNew ? [] : standing?.servers)
  for (const [key, server] of draft?.servers ?? []) servers.set(key, server)
  let count = 0
  for (const server of servers.values()) if (server !== undefined && isMixedFamily(service.id, server)) count += 1
  return count
}

/** Master first, as the kernel lists them. */
function daemonsAfter(
  daemons: readonly SyncDaemon[],
  edit: Extract<TableEdit, { readonly kind: 'daemon.start' | 'daemon.stop' }>,
): readonly SyncDaemon[] {
  const role = edit.kind === 'daemon.start' ? edit.daemon.role : edit.role
  const others = daemons.filter((daemon) => daemon.role !== role)
  if (edit.kind === 'daemon.stop') return others
  return role === 'master' ? [edit.daemon, ...others] : [...others, edit.daemon]
}

/** What an edit is in the engine's words. */
export function changeOf(edit: SmallEdit): EngineChange {
  switch (edit.kind) {
    case 'service.add':
      return { kind: 'service.add', service: edit.service }
    case 'service.edit':
      return { kind: 'service.update', service: edit.service }
    case 'service.delete':
      return { kind: 'service.remove', id: edit.id }
    case 'server.add':
      return { kind: 'server.add', id: edit.id, server: edit.server }
    case 'server.edit':
      return { kind: 'server.update', id: edit.id, server: edit.server }
    case 'server.delete':
      return { kind: 'server.remove', id: edit.id, server: edit.server }
    case 'timeouts':
      return { kind: 'settings', settings: { timeouts: edit.timeouts } }
    case 'daemon.start':
    case 'daemon.stop':
      return edit
  }
}
