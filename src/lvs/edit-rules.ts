/**
 * What the kernel answers to an edit of the table by hand: the checks of net/netfilter/ipvs/ip_vs_ctl.c and ip_vs_sync.c
 * (Linux 6.1), in its order. Pure: the table and the machine come in as arguments.
 */
import { type Cidr, isInNetwork } from './address.ts'
import type { EditErrno, SyncDaemon, SyncRole, TableEdit } from './edit.ts'
import {
  type Endpoint,
  type Family,
  familyOf,
  type RealServer,
  type SchedulerName,
  type Service,
  type ServiceId,
} from './service.ts'
import type { Timeouts } from './settings.ts'
import { isUnicast } from './unicast.ts'

/** What the checks read of the table as it stands. */
export type EditView = {
  service(id: ServiceId): Service | undefined
  server(id: ServiceId, server: Endpoint): RealServer | undefined
  daemons(): readonly Pick<SyncDaemon, 'role'>[]
  /** Whether some real server is of another family than its service: see `isMixedFamily`. */
  hasMixedFamilies(): boolean
}

/** What the checks read of the machine and its engine. */
export type EditSurroundings = {
  readonly schedulers: readonly SchedulerName[]
  /** The machine's own addresses with their prefixes: they tell broadcasts, and link-local addresses of its own. */
  readonly addresses: readonly Cidr[]
  /** Interfaces by name, with their MTU in bytes. */
  readonly interfaces: ReadonlyMap<string, number>
}

const maxInt = 0x7fff_ffff
/** Debian's kernel counts 250 ticks a second. */
const ticksPerSecond = 250

/** The errno of an edit that the kernel would refuse; undefined when it would make it. */
export function editErrno(edit: TableEdit, view: EditView, around: EditSurroundings): EditErrno | undefined {
  switch (edit.kind) {
    case 'service.add':
      return has(view, edit.service.id) ? 'EEXIST' : serviceErrno(edit.service, around)
    case 'service.edit':
      return has(view, edit.service.id) ? serviceErrno(edit.service, around) : 'ESRCH'
    case 'service.delete':
      return has(view, edit.id) ? undefined : 'ESRCH'
    case 'server.add':
    case 'server.edit':
      return has(view, edit.id) ? serverErrno(edit, view, around) : 'ESRCH'
    case 'server.delete':
      if (!has(view, edit.id)) return 'ESRCH'
      return view.server(edit.id, edit.server) === undefined ? 'ENOENT' : undefined
    case 'flush':
      return undefined
    case 'zero':
      return edit.id === undefined || has(view, edit.id) ? undefined : 'ESRCH'
    case 'timeouts':
      return timeoutsErrno(edit.timeouts)
    case 'daemon.start':
      return daemonErrno(edit.daemon, view, around)
    case 'daemon.stop':
      return runs(view, edit.role) ? undefined : 'ESRCH'
  }
}

function has(view: EditView, id: ServiceId): boolean {
  return view.service(id) !== undefined
}

function runs(view: EditView, role: SyncRole): boolean {
  return view.daemons().some((daemon) => daemon.role === role)
}

/** Neither the protocol nor the virtual address is looked at. */
function serviceErrno({ id, scheduler, persistence }: Service, around: EditSurroundings): EditErrno | undefined {
  const family = serviceFamily(id)
  if (family === undefined) return 'EINVAL'
  if (scheduler !== 'none' && !around.schedulers.includes(scheduler)) return 'ENOENT'
  if (persistence === undefined || family === 'ipv4') return undefined
  const prefix = Number(persistence.mask)
  return Number.isInteger(prefix) && prefix >= 1 && prefix <= 128 ? undefined : 'EINVAL'
}

type ServerEdit = Extract<TableEdit, { readonly kind: 'server.add' | 'server.edit' }>

function serverErrno(
  { kind, id, server }: ServerEdit,
  view: EditView,
  around: EditSurroundings,
): EditErrno | undefined {
  const { weight, upperThreshold: upper, lowerThreshold: lower, tunnel } = server
  if (isMixedFamily(id, server)) {
    // Neither the sync protocol nor the other forwarding methods know two families in one connection.
    if (view.daemons().length > 0) return 'EINVAL'
    if (server.forwarding !== 'tunnel') return 'EINVAL'
  }
  if (weight < 0 || lower > upper) return 'ERANGE'
  if (upper > maxInt) return 'EINVAL'
  if (tunnel?.type === 'gue' && tunnel.port === 0) return 'EINVAL'
  const isThere = view.server(id, server) !== undefined
  if (kind === 'server.edit') return isThere ? undefined : 'ENOENT'
  if (isThere) return 'EEXIST'
  return isReachable(server.address, around.addresses) ? undefined : 'EINVAL'
}

/** Whether a real server is of another family than its service. */
export function isMixedFamily(id: ServiceId, server: Pick<RealServer, 'address'>): boolean {
  const family = serviceFamily(id)
  return family !== undefined && family !== familyOf(server.address)
}

/** Undefined for services that IPVS has no form for. */
function serviceFamily(id: ServiceId): Family | undefined {
  if (id.kind === 'fwmark') return id.family
  return id.kind === 'address' ? familyOf(id.address) : undefined
}

const linkLocal: Cidr = { address: 'fe80::', prefix: 10 }

/** Unicast; link-local ones only where they are the machine's own. */
function isReachable(address: string, own: readonly Cidr[]): boolean {
  if (!isUnicast(address, own)) return false
  return !isInNetwork(address, linkLocal) || own.some((one) => one.address === address)
}

function timeoutsErrno(timeouts: Partial<Timeouts>): EditErrno | undefined {
  const most = Math.floor(maxInt / ticksPerSecond)
  return Object.values(timeouts).some((seconds) => seconds < 0 || seconds > most) ? 'EINVAL' : undefined
}

function daemonErrno(daemon: SyncDaemon, view: EditView, around: EditSurroundings): EditErrno | undefined {
  const multicast: Cidr =
    familyOf(daemon.group) === 'ipv4' ? { address: '224.0.0.0', prefix: 4 } : { address: 'ff00::', prefix: 8 }
  if (!isInNetwork(daemon.group, multicast)) return 'EINVAL'
  if (view.hasMixedFamilies()) return 'EINVAL'
  if (!around.interfaces.has(daemon.interface)) return 'ENODEV'
  return runs(view, daemon.role) ? 'EEXIST' : undefined
}
