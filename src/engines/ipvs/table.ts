/** The kernel's table: read, and changed change by change in a way that can be taken back. */
import { type InfraCode, InfraError } from '../../errors.ts'
import { type RealServer, realServerKey, type Service, type ServiceId, serviceKey } from '../../lvs/service.ts'
import { NetlinkError } from '../../os/netlink.ts'
import {
  addressFamilies,
  decodeServer,
  decodeService,
  type IpvsCommand,
  ipvsCommands,
  serverAttribute,
  serviceAttribute,
} from '../../wire/ipvs.ts'
import type { Attribute } from '../../wire/netlink.ts'
import type { ServiceSnapshot, TableChange } from '../engine.ts'
import type { IpvsKernel } from './kernel.ts'
import {
  countersOf,
  familyOfService,
  isKernelService,
  type KernelServiceId,
  ratesOf,
  serverIdRecord,
  serverOf,
  serverRecord,
  serviceIdOf,
  serviceIdRecord,
  serviceOf,
  serviceRecord,
} from './records.ts'

/** Puts back what one change has done. */
export type Undo = () => Promise<void>

/** What stood before a run of changes, kept up to date while it goes on: servers newest first. */
type Standing = { readonly service: Service; readonly servers: readonly RealServer[] }

/** In the kernel's own order of services, which is that of a hash. Those of protocols that nobody knows are left out. */
export async function readServices(kernel: IpvsKernel): Promise<ServiceSnapshot[]> {
  const records = await kernel.list(ipvsCommands.getService, [], 'list the services')
  const snapshots: ServiceSnapshot[] = []
  for (const record of records) {
    const snapshot = await snapshotOf(kernel, record)
    if (snapshot !== undefined) snapshots.push(snapshot)
  }
  return snapshots
}

/** undefined when there is none. */
export async function readService(kernel: IpvsKernel, id: ServiceId): Promise<ServiceSnapshot | undefined> {
  const own = mustBeKernel(id)
  const verb = `ask for the service ${serviceKey(id)}`
  try {
    const [record] = await kernel.ask(ipvsCommands.getService, [serviceAttribute(serviceIdRecord(own))], verb)
    return record && (await snapshotOf(kernel, record))
  } catch (error) {
    if (error instanceof NetlinkError && error.errno === 'ESRCH') return undefined
    throw error
  }
}

async function snapshotOf(kernel: IpvsKernel, record: Uint8Array): Promise<ServiceSnapshot | undefined> {
  const decoded = decodeService(record)
  const id = serviceIdOf(decoded.id)
  if (id === undefined) return undefined
  const key = serviceKey(id)
  const family = addressFamilies[familyOfService(id)]
  const servers = await kernel.list(
    ipvsCommands.getServer,
    [serviceAttribute(decoded.id)],
    `list the real servers of ${key}`,
  )
  return {
    service: serviceOf(decoded, id),
    servers: servers.map((payload) => {
      const server = decodeServer(payload, family)
      const { active, inactive, persistent, statistics } = server
      const counts = { active, inactive, persistent, counters: countersOf(statistics), rates: ratesOf(statistics) }
      return { server: serverOf(server), ...counts }
    }),
    counters: countersOf(decoded.statistics),
    rates: ratesOf(decoded.statistics),
  }
}

/** A run of changes: each is made at once, and what they have done can be taken back. */
export class Changes {
  readonly #kernel: IpvsKernel
  readonly #standing: Map<string, Standing | undefined>

  private constructor(kernel: IpvsKernel, standing: Map<string, Standing | undefined>) {
    this.#kernel = kernel
    this.#standing = standing
  }

  /** Reads what the changes are about. */
  static async begin(kernel: IpvsKernel, ids: Iterable<ServiceId>): Promise<Changes> {
    const standing = new Map<string, Standing | undefined>()
    for (const id of ids) {
      const found = await readService(kernel, id)
      const servers = found?.servers.map(({ server }) => server) ?? []
      standing.set(serviceKey(id), found && { service: found.service, servers })
    }
    return new Changes(kernel, standing)
  }

  /** Whether the service stands after what has been made so far. */
  has(id: ServiceId): boolean {
    return this.#standing.get(serviceKey(id)) !== undefined
  }

  /** @throws InfraError when the kernel refuses. Nothing is changed then. */
  async make(change: TableChange): Promise<Undo> {
    switch (change.kind) {
      case 'service.add':
      case 'service.update':
        return await this.#putService(change.service)
      case 'service.remove':
        return await this.#removeService(change.id)
      case 'server.add':
      case 'server.update':
        return await this.#putServer(change.id, change.server)
      case 'server.remove':
        return await this.#removeServer(change.id, realServerKey(change.server))
    }
  }

  async #putService(service: Service): Promise<Undo> {
    const id = mustBeKernel(service.id)
    const key = serviceKey(id)
    const before = this.#standing.get(key)
    const attributes = [serviceAttribute(serviceIdRecord(id), serviceRecord(service, id))]
    const { newService, setService } = ipvsCommands
    await this.#tell(before === undefined ? newService : setService, attributes, `install the service ${key}`, key)
    this.#standing.set(key, { service, servers: before?.servers ?? [] })
    return async () => {
      if (before === undefined) await this.#removeService(id)
      else await this.#putService(before.service)
    }
  }

  async #removeService(serviceId: ServiceId): Promise<Undo> {
    const id = mustBeKernel(serviceId)
    const key = serviceKey(id)
    const before = this.#standing.get(key)
    if (before === undefined) return async () => undefined
    const attributes = [serviceAttribute(serviceIdRecord(id))]
    await this.#tell(ipvsCommands.deleteService, attributes, `remove the service ${key}`, key)
    this.#standing.set(key, undefined)
    return async () => {
      await this.#putService(before.service)
      for (const server of before.servers.toReversed()) await this.#putServer(id, server)
    }
  }

  async #putServer(serviceId: ServiceId, server: RealServer): Promise<Undo> {
    const id = mustBeKernel(serviceId)
    const key = serviceKey(id)
    const standing = this.#standing.get(key)
    const servers = standing?.servers ?? []
    const own = realServerKey(server)
    const before = servers.find((one) => realServerKey(one) === own)
    const attributes = [
      serviceAttribute(serviceIdRecord(id)),
      serverAttribute(serverIdRecord(server), serverRecord(server)),
    ]
    const { newServer, setServer } = ipvsCommands
    const verb = `install the real server ${own} of ${key}`
    await this.#tell(before === undefined ? newServer : setServer, attributes, verb, key)
    const after = before === undefined ? [server, ...servers] : servers.map((one) => (one === before ? server : one))
    if (standing !== undefined) this.#standing.set(key, { ...standing, servers: after })
    return async () => {
      if (before === undefined) await this.#removeServer(id, own)
      else await this.#putServer(id, before)
    }
  }

  async #removeServer(serviceId: ServiceId, own: string): Promise<Undo> {
    const id = mustBeKernel(serviceId)
    const key = serviceKey(id)
    const standing = this.#standing.get(key)
    const before = standing?.servers.find((one) => realServerKey(one) === own)
    if (standing === undefined || before === undefined) return async () => undefined
    const attributes = [serviceAttribute(serviceIdRecord(id)), serverAttribute(serverIdRecord(before))]
    await this.#tell(ipvsCommands.deleteServer, attributes, `remove the real server ${own} of ${key}`, key)
    this.#standing.set(key, { ...standing, servers: standing.servers.filter((one) => one !== before) })
    return async () => void (await this.#putServer(id, before))
  }

  /** Somebody else may edit beside us: what is there already is changed, what is gone already stays gone. */
  async #tell(command: IpvsCommand, attributes: readonly Attribute[], verb: string, subject: string): Promise<void> {
    try {
      await this.#kernel.ask(command, attributes, verb)
    } catch (error) {
      if (!(error instanceof NetlinkError)) throw error
      const other = insteadOf(command, error.errno)
      if (other === 'done') return
      if (other === undefined) throw refusal(error, command, verb, subject)
      await this.#kernel.ask(other, attributes, verb)
    }
  }
}

function insteadOf(command: IpvsCommand, errno: string): IpvsCommand | 'done' | undefined {
  const { newService, setService, deleteService, newServer, setServer, deleteServer } = ipvsCommands
  if (errno === 'EEXIST') return command === newService ? setService : command === newServer ? setServer : undefined
  if (errno === 'ESRCH' && command === setService) return newService
  if (errno === 'ENOENT' && command === setServer) return newServer
  const isGone = errno === 'ESRCH' || errno === 'ENOENT'
  return isGone && (command === deleteService || command === deleteServer) ? 'done' : undefined
}

/** The kernel's errno in words; ip_vs_ctl.c has them all. */
function refusal(error: NetlinkError, command: IpvsCommand, verb: string, subject: string): InfraError {
  const { newService, setService } = ipvsCommands
  const isService = command === newService || command === setService
  const said = (code: InfraCode, reason: string): InfraError =>
    new InfraError(code, `${verb}: ${reason}`, { subject, cause: error })
  switch (error.errno) {
    case 'ENOENT':
      if (isService) return said('unsupported', 'this kernel has no such scheduler or persistence engine')
      return said('not-found', 'there is no such real server')
    case 'ESRCH':
      return said('not-found', 'the service has gone meanwhile')
    case 'EINVAL':
      return said(
        'invalid',
        'the kernel takes no such address, weight or tunnel, or a synchronisation daemon forbids it',
      )
    case 'ERANGE':
      return said('invalid', 'the lower threshold must not be above the upper one')
    case 'EAFNOSUPPORT':
    case 'EOPNOTSUPP':
      return said('unsupported', 'this kernel has IPVS without that address family or protocol')
    default:
      return error
  }
}

/** Refused before: see the capabilities. */
function mustBeKernel(id: ServiceId): KernelServiceId {
  if (isKernelService(id)) return id
  throw new InfraError('unsupported', `the kernel cannot hold the service ${serviceKey(id)}`, {
    subject: serviceKey(id),
  })
}
