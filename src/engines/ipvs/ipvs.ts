/**
 * The kernel's IPVS as an engine: its table, settings and daemons by generic netlink, its connections from /proc. The
 * kernel keeps all of them: no end of this process stops a packet. Others may edit beside us; nothing of theirs is touched.
 */
import { describeError, InfraError } from '../../errors.ts'
import { parseConnection } from '../../formats/ip-vs-conn.ts'
import type { Host } from '../../hosts/host.ts'
import type { SyncDaemon, SyncRole } from '../../lvs/edit.ts'
import type { PortableConnection } from '../../lvs/portable-connection.ts'
import { realServerKey, type SchedulerName, type ServiceId, serviceKey } from '../../lvs/service.ts'
import { NetlinkError } from '../../os/netlink.ts'
import { type Turns, turns } from '../../turns.ts'
import {
  daemonAttribute,
  daemonStateAttribute,
  daemonStates,
  decodeDaemon,
  decodeInfo,
  ipvsCommands,
  serviceAttribute,
} from '../../wire/ipvs.ts'
import {
  type CallOptions,
  type ChangedConnections,
  type Connection,
  changedService,
  type Engine,
  type EngineCapabilities,
  type EngineChange,
  type EngineInfo,
  type EngineReport,
  isTableChange,
  type ReadOptions,
  type ServiceSnapshot,
  type TableChange,
  type TakenConnections,
  throwIfCancelled,
} from '../engine.ts'
import { listedTable, portableListing } from '../listed.ts'
import { notPorted } from '../porting.ts'
import { throwIfRefused } from '../refusals.ts'
import { ipvsCapabilities } from './capabilities.ts'
import { ForwardingWatch } from './forwarding.ts'
import { type IpvsKernel, openKernel } from './kernel.ts'
import { daemonOf, daemonRecord, isKernelService, serviceIdRecord } from './records.ts'
import { readSettings, writeSettings } from './settings.ts'
import { Changes, readService, readServices, type Undo } from './table.ts'

/** Loads the module where it is not loaded. @throws InfraError `unsupported` without IPVS, `permission`. */
export async function ipvsEngine(host: Host, onReport?: OnReport): Promise<Engine> {
  return await ipvsEngineOn(await openKernel(host), onReport)
}

/** On a kernel that was opened before; the engine closes it. */
export async function ipvsEngineOn(kernel: IpvsKernel, onReport: OnReport = () => {}): Promise<Engine> {
  const schedulers: SchedulerName[] = []
  for (const name of ipvsCapabilities.schedulers) if (await kernel.hasModule(`ip_vs_${name}`)) schedulers.push(name)
  return new IpvsEngine(kernel, { ...ipvsCapabilities, schedulers }, onReport)
}

type OnReport = (report: EngineReport) => void

const exportedAtOnce = 1024

class IpvsEngine implements Engine {
  readonly name = 'ipvs'
  readonly isShared = true
  readonly capabilities: EngineCapabilities
  readonly #kernel: IpvsKernel
  readonly #turns: Turns = turns()
  /** When services came, by key: the kernel does not remember. */
  readonly #order = new Map<string, number>()
  #nextOrder = 0
  readonly #forwarding: ForwardingWatch

  constructor(kernel: IpvsKernel, capabilities: EngineCapabilities, onReport: OnReport) {
    this.#kernel = kernel
    this.#forwarding = new ForwardingWatch(kernel, onReport)
    this.capabilities = capabilities
  }

  async apply(changes: readonly EngineChange[], options: CallOptions): Promise<void> {
    throwIfCancelled(options, 'apply')
    throwIfRefused(this.name, this.capabilities, changes)
    await this.#turns.take(async () => {
      throwIfCancelled(options, 'apply')
      const table = changes.filter(isTableChange)
      const ids = new Map(table.map((change) => [serviceKey(changedService(change)), changedService(change)]))
      const run = await Changes.begin(this.#kernel, ids.values())
      throwIfOrphaned(run, table)
      const undos: Undo[] = []
      try {
        for (const change of changes) undos.push(await this.#make(run, change))
      } catch (error) {
        await takeBack(undos, error)
        throw error
      }
      for (const change of table) this.#remember(change)
    })
  }

  async read(options: ReadOptions): Promise<readonly ServiceSnapshot[]> {
    throwIfCancelled(options, 'read')
    if (options.only === undefined) {
      const all = (await readServices(this.#kernel)).toSorted(this.#byAge)
      await this.#forwarding.look(all)
      return all
    }
    const found: ServiceSnapshot[] = []
    for (const id of new Map(options.only.map((one) => [serviceKey(one), one])).values()) {
      const snapshot = isKernelService(id) ? await readService(this.#kernel, id) : undefined
      if (snapshot !== undefined) found.push(snapshot)
    }
    return found
  }

  async info(options: CallOptions): Promise<EngineInfo> {
    throwIfCancelled(options, 'info')
    const [answer] = await this.#kernel.ask(ipvsCommands.getInfo, [], 'ask for the size of the table')
    const { tableSize } = decodeInfo(answer ?? new Uint8Array())
    return { settings: await readSettings(this.#kernel), daemons: await this.#daemons(), tableSize }
  }

  async zero(id: ServiceId | undefined, options: CallOptions): Promise<void> {
    throwIfCancelled(options, 'zero')
    if (id !== undefined && !isKernelService(id)) return
    try {
      const attributes = id === undefined ? [] : [serviceAttribute(serviceIdRecord(id))]
      await this.#kernel.ask(ipvsCommands.zero, attributes, 'zero the counters')
    } catch (error) {
      if (!(error instanceof NetlinkError && error.errno === 'ESRCH')) throw error
    }
  }

  async *connections(options: CallOptions): AsyncIterable<Connection> {
    throwIfCancelled(options, 'connections')
    for await (const line of this.#kernel.lines('/proc/net/ip_vs_conn')) {
      throwIfCancelled(options, 'connections')
      const connection = parseConnection(line)
      if (connection !== undefined) yield connection
    }
  }

  /** From listings, in which the kernel does not say by which firewall mark one came: that is found by its server. */
  async *exportConnections(options: CallOptions): AsyncIterable<readonly PortableConnection[]> {
    const table = listedTable(await this.read(options))
    let batch: PortableConnection[] = []
    for await (const listed of this.connections(options)) {
      const connection = portableListing(listed, table)
      if (connection !== undefined) batch.push(connection)
      if (batch.length < exportedAtOnce) continue
      yield batch
      batch = []
    }
    if (batch.length > 0) yield batch
  }

  changedConnections(): AsyncIterable<ChangedConnections> {
    throw notPorted(this.name, 'tell what changes', this.capabilities.porting)
  }

  async takeConnections(): Promise<TakenConnections> {
    throw notPorted(this.name, 'take connections over', this.capabilities.porting)
  }

  /** The table is the kernel's: it stays in either case. */
  release(): Promise<void> {
    return this[Symbol.asyncDispose]()
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#turns.idle()
    this.#kernel[Symbol.dispose]()
  }

  async #make(run: Changes, change: EngineChange): Promise<Undo> {
    if (isTableChange(change)) return await run.make(change)
    switch (change.kind) {
      case 'settings': {
        const { timeouts, sysctls } = await readSettings(this.#kernel)
        const names = Object.keys(change.settings.sysctls ?? {}) as (keyof typeof sysctls)[]
        const before = { timeouts, sysctls: Object.fromEntries(names.map((name) => [name, sysctls[name]])) }
        await writeSettings(this.#kernel, change.settings)
        return () => writeSettings(this.#kernel, before)
      }
      case 'daemon.start':
        return await this.#startDaemon(change.daemon)
      case 'daemon.stop':
        return await this.#stopDaemon(change.role)
    }
  }

  async #daemons(): Promise<SyncDaemon[]> {
    const answers = await this.#kernel.list(ipvsCommands.getDaemon, [], 'list the synchronisation daemons')
    return answers.map((answer) => daemonOf(decodeDaemon(answer)))
  }

  /** One that runs already in that role ends first. */
  async #startDaemon(daemon: SyncDaemon): Promise<Undo> {
    const restart = await this.#stopDaemon(daemon.role)
    const verb = `start the ${daemon.role} daemon on ${daemon.interface}`
    try {
      await this.#kernel.ask(ipvsCommands.newDaemon, [daemonAttribute(daemonRecord(daemon))], verb)
    } catch (error) {
      await restart()
      if (!(error instanceof NetlinkError)) throw error
      const reasons: Readonly<Record<string, string>> = {
        ENODEV: 'there is no such interface',
        EINVAL: 'the kernel takes no such group, port or size, or a real server is of another family than its service',
      }
      const reason = reasons[error.errno]
      if (reason === undefined) throw error
      throw new InfraError('invalid', `${verb}: ${reason}`, { subject: 'daemon', cause: error })
    }
    return async () => {
      await this.#stopDaemon(daemon.role)
      await restart()
    }
  }

  async #stopDaemon(role: SyncRole): Promise<Undo> {
    const standing = (await this.#daemons()).find((daemon) => daemon.role === role)
    if (standing === undefined) return async () => undefined
    await this.#kernel.ask(
      ipvsCommands.deleteDaemon,
      [daemonStateAttribute(daemonStates[role])],
      `stop the ${role} daemon`,
    )
    return async () => void (await this.#startDaemon(standing))
  }

  #remember(change: TableChange): void {
    const key = serviceKey(changedService(change))
    if (change.kind === 'service.remove') this.#order.delete(key)
    else if ('service' in change && !this.#order.has(key)) this.#order.set(key, this.#nextOrder++)
  }

  /** Services of others come last, as the kernel has them. */
  readonly #byAge = (a: ServiceSnapshot, b: ServiceSnapshot): number => {
    const age = ({ service }: ServiceSnapshot): number => this.#order.get(serviceKey(service.id)) ?? this.#nextOrder
    return age(a) - age(b)
  }
}

function throwIfOrphaned(run: Changes, changes: readonly TableChange[]): void {
  const present = new Map<string, boolean>()
  for (const change of changes) {
    const id = changedService(change)
    const key = serviceKey(id)
    if ('service' in change) present.set(key, true)
    else if (change.kind === 'service.remove') present.set(key, false)
    else if (change.kind !== 'server.remove' && !(present.get(key) ?? run.has(id)))
      throw new InfraError('not-found', `add server ${realServerKey(change.server)}: there is no service ${key}`, {
        subject: key,
      })
  }
}

async function takeBack(undos: readonly Undo[], reason: unknown): Promise<void> {
  for (const undo of undos.toReversed())
    try {
      await undo()
    } catch (error) {
      throw new InfraError(
        'failed',
        `${describeError(reason)}; and what was made before it could not be taken back: ${describeError(error)}`,
        { subject: 'ipvs', cause: reason, retryable: true },
      )
    }
}
