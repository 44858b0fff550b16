/**
 * The DNS-based cluster: an authoritative responder that answers a service's name with its real servers. Connections then
 * go past this machine. Runs in the caller's own thread; what a question costs is bounded.
 */
import { InfraError } from '../../errors.ts'
import { addressNumber } from '../../lvs/address.ts'
import { type Endpoint, realServerKey, schedulerNames, serviceKey } from '../../lvs/service.ts'
import { defaultSettings, withSettings } from '../../lvs/settings.ts'
import { turns } from '../../turns.ts'
import { parseDnsName } from '../../wire/dns-name.ts'
import {
  type CallOptions,
  changedService,
  type Engine,
  type EngineCapabilities,
  type EngineChange,
  isTableChange,
  type TableChange,
  throwIfCancelled,
} from '../engine.ts'
import { estimateMs } from '../estimator.ts'
import { noPorting, portsNothing } from '../porting.ts'
import { throwIfRefused } from '../refusals.ts'
import {
  type Listener,
  type ListenerOptions,
  type Listeners,
  openListeners,
  placeOf,
  type Served,
} from './listeners.ts'
import { type DnsServiceId, Zone } from './zone.ts'

export type DnsOptions = ListenerOptions

const dnsCapabilities: EngineCapabilities = {
  protocols: [],
  schedulers: schedulerNames,
  // How a client gets there is its own affair.
  forwarding: ['masq', 'tunnel', 'direct', 'local'],
  tunnels: ['ipip', 'gre', 'gue'],
  tunnelChecksums: true,
  mixedFamilies: 'all',
  fwmark: false,
  persistence: false,
  persistenceEngines: [],
  anyPort: false,
  onePacket: false,
  thresholds: false,
  proxyProtocol: false,
  idleTimeout: false,
  applications: [],
  dns: true,
  syncDaemon: false,
  syncSeals: false,
  porting: noPorting,
  sysctls: [],
}

const defaults: DnsOptions = { connections: 256, idleMs: 10_000, answersPerSecond: 1000 }

/** It is a part of the userspace engine, and refuses in its name. */
const engineName = 'userspace'

/**
 * Starts the responder, without a name to answer for.
 *
 * A server counts as having a connection (`active`) for as long as an answer that named it first may be kept: schedulers
 * that go by connections go by that, and a drain waits for it. A service's `connections` are such answers.
 */
export async function dnsEngine(options: Partial<DnsOptions> = {}): Promise<Engine> {
  const settings = { ...defaults, ...options }
  const zones = new Map<string, Zone>()
  const listeners: Listeners = new Map()
  let held = defaultSettings
  const applying = turns()
  const timer = setInterval(() => {
    for (const zone of zones.values()) zone.estimate()
  }, estimateMs)
  timer.unref()

  const applyInTurn = async (changes: readonly EngineChange[], callOptions: CallOptions): Promise<void> => {
    throwIfCancelled(callOptions, 'apply')
    const tableChanges = changes.filter(isTableChange)
    const { added, removed } = after(tableChanges, zones)
    const leaving = (): Listener[] => {
      const staying = [...zones].flatMap(([key, { id }]) => (removed.has(key) ? [] : [placeOf(id)]))
      const places = new Set([...staying, ...added.map(({ id }) => placeOf(id))])
      return [...listeners].flatMap(([at, listener]) => (places.has(at) ? [] : [listener]))
    }
    const opened = await openListeners(added, listeners, leaving, settings)
    for (const [at, listener] of opened) listeners.set(at, listener)
    for (const change of tableChanges) commit(change, zones, listeners)
    for (const change of changes) if (change.kind === 'settings') held = withSettings(held, change.settings)
    for (const [at, listener] of listeners) {
      if (listener.names.size > 0) continue
      listeners.delete(at)
      await listener.close()
    }
  }

  return {
    name: engineName,
    capabilities: dnsCapabilities,
    async apply(changes, callOptions) {
      throwIfCancelled(callOptions, 'apply')
      throwIfRefused(engineName, dnsCapabilities, changes)
      throwIfInvalid(changes.filter(isTableChange))
      await applying.take(() => applyInTurn(changes, callOptions))
    },
    async read(callOptions) {
      throwIfCancelled(callOptions, 'read')
      const only = callOptions.only?.map(serviceKey)
      const wanted = only === undefined ? [...zones.values()] : only.flatMap((key) => zones.get(key) ?? [])
      const nowMs = performance.now()
      return wanted.map((zone) => zone.read(nowMs))
    },
    async info(callOptions) {
      throwIfCancelled(callOptions, 'info')
      return { settings: held, daemons: [], tableSize: 4096 }
    },
    async zero(id, callOptions) {
      throwIfCancelled(callOptions, 'zero')
      const wanted = id === undefined ? [...zones.values()] : [zones.get(serviceKey(id))]
      for (const zone of wanted) zone?.zero()
    },
    // Answers are all that is seen here: the connections themselves go past.
    async *connections(callOptions) {
      throwIfCancelled(callOptions, 'connections')
      yield* []
    },
    ...portsNothing(engineName),
    async [Symbol.asyncDispose]() {
      await applying.idle()
      clearInterval(timer)
      await Promise.all([...listeners.values()].map((listener) => listener.close()))
      listeners.clear()
    },
  }
}

/**
 * The services that stand after the changes and do not now, and the keys of those that will be gone.
 * @throws InfraError `not-found` for a server of a service that is not there.
 */
function after(
  changes: readonly TableChange[],
  zones: ReadonlyMap<string, Zone>,
): { readonly added: readonly Served[]; readonly removed: ReadonlySet<string> } {
  const added = new Map<string, Served>()
  const removed = new Set<string>()
  for (const change of changes) {
    const id = dnsId(change)
    const key = serviceKey(id)
    if (change.kind === 'service.add' || change.kind === 'service.update') {
      removed.delete(key)
      if (!zones.has(key)) added.set(key, { id, service: change.service })
    } else if (change.kind === 'service.remove') {
      added.delete(key)
      removed.add(key)
    } else if (change.kind === 'server.add' || change.kind === 'server.update') {
      if (added.has(key) || (zones.has(key) && !removed.has(key))) continue
      const server = realServerKey(change.server)
      throw new InfraError('not-found', `add server ${server}: there is no service ${key}`, { subject: key })
    }
  }
  return { added: [...added.values()], removed }
}

/** One change; `after` has seen that it can be made. */
function commit(change: TableChange, zones: Map<string, Zone>, listeners: Listeners): void {
  const id = dnsId(change)
  const key = serviceKey(id)
  const zone = zones.get(key)
  switch (change.kind) {
    case 'service.add':
    case 'service.update': {
      if (zone !== undefined) return zone.update(change.service)
      const added = new Zone(id, change.service)
      zones.set(key, added)
      listeners.get(placeOf(id))?.names.add(added)
      return
    }
    case 'service.remove':
      zones.delete(key)
      if (zone !== undefined) listeners.get(placeOf(id))?.names.remove(zone)
      return
    case 'server.add':
    case 'server.update':
      return zone?.putServer(change.server)
    case 'server.remove':
      return zone?.removeServer(realServerKey(change.server))
  }
}

/** What no capability names: an id of this engine's kind, a name, addresses and ports. */
function throwIfInvalid(changes: readonly TableChange[]): void {
  for (const change of changes) {
    const id = dnsId(change)
    const subject = serviceKey(id)
    if (parseDnsName(id.name) !== id.name)
      throw new InfraError('invalid', `${subject}: ${id.name} is no name of a service`, {
        subject,
        hint: 'say it in lower case, without a dot at the end, in at most 213 characters',
      })
    throwIfNoPlace(id, subject)
    if (change.kind === 'server.add' || change.kind === 'server.update') throwIfNoPlace(change.server, subject)
  }
}

function throwIfNoPlace({ address, port }: Endpoint, subject: string): void {
  if (addressNumber(address) === undefined)
    throw new InfraError('invalid', `${subject}: ${address} is no address`, { subject })
  if (port < 1 || port > 65_535)
    throw new InfraError('unsupported', `${subject}: a DNS-based service needs a port, not ${port}`, { subject })
}

function dnsId(change: TableChange): DnsServiceId {
  const id = changedService(change)
  if (id.kind === 'dns') return id
  const subject = serviceKey(id)
  throw new InfraError('unsupported', `${subject}: only DNS-based services are answered for by name`, { subject })
}
