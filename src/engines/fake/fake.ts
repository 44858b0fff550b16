/** The fake engine: IPVS in memory. It takes any table that a Debian kernel takes, and packets made by hand. To try a spec, to test, to teach. */
import { InfraError } from '../../errors.ts'
import type { Packet, Verdict } from '../../lvs/packet.ts'
import { realServerKey, schedulerNames, serviceKey } from '../../lvs/service.ts'
import { sysctlNames } from '../../lvs/settings.ts'
import { type Engine, type EngineCapabilities, type EngineChange, throwIfCancelled } from '../engine.ts'
import { throwIfRefused } from '../refusals.ts'
import { Ipvs, type IpvsOptions, tableSize } from './ipvs.ts'
import { portable, takeAll } from './porting.ts'
import { type FakeTraffic, fakeTraffic } from './traffic.ts'

export const fakeCapabilities: EngineCapabilities = {
  protocols: ['tcp', 'udp', 'sctp'],
  // As Debian builds its kernel.
  schedulers: schedulerNames.filter((name) => name !== 'twos'),
  forwarding: ['masq', 'tunnel', 'direct', 'local'],
  tunnels: ['ipip', 'gre', 'gue'],
  tunnelChecksums: true,
  mixedFamilies: 'all',
  fwmark: true,
  persistence: true,
  persistenceEngines: ['sip'],
  onePacket: true,
  thresholds: true,
  proxyProtocol: true,
  idleTimeout: true,
  anyPort: true,
  applications: ['http', 'sni', 'tls'],
  dns: true,
  syncDaemon: true,
  syncSeals: true,
  porting: { exports: 'all', changes: 'all', imports: 'all' },
  sysctls: sysctlNames,
}

export type FakeOptions = IpvsOptions & {
  /** Monotonic. Without it time passes only by `advance`. */
  readonly nowMs?: () => number
}

export type FakeEngine = Engine & {
  /** A packet as the director's machine receives it, from a client or from a real server. */
  receive(packet: Packet): Verdict
  /** Lets time pass: connections expire, rates move, as in the kernel. */
  advance(ms: number): void
  /** What the machine has free, in pages of memory; for the automatic modes of drop_entry, drop_packet and secure_tcp. */
  setAvailablePages(pages: number): void
  readonly traffic: FakeTraffic & {
    /** The next `apply` fails so, and changes nothing. */
    failNextApply(error: InfraError): void
  }
}

export function fakeEngine(options: FakeOptions = {}): FakeEngine {
  const ipvs = new Ipvs(options)
  const clock = clockOf(ipvs, options.nowMs)
  const catchUp = (): void => ipvs.advanceTo(clock())
  let failure: InfraError | undefined

  return {
    name: 'fake',
    capabilities: fakeCapabilities,
    async apply(changes, callOptions) {
      throwIfCancelled(callOptions, 'apply')
      throwIfRefused('fake', fakeCapabilities, changes)
      throwIfOrphaned(ipvs, changes)
      if (failure !== undefined) {
        const error = failure
        failure = undefined
        throw error
      }
      catchUp()
      for (const change of changes) ipvs.apply(change)
    },
    async read(callOptions) {
      throwIfCancelled(callOptions, 'read')
      catchUp()
      return ipvs.read(callOptions.only)
    },
    async info(callOptions) {
      throwIfCancelled(callOptions, 'info')
      catchUp()
      return { settings: ipvs.settings, daemons: ipvs.daemons, tableSize }
    },
    async zero(id, callOptions) {
      throwIfCancelled(callOptions, 'zero')
      catchUp()
      ipvs.zero(id)
    },
    async *connections(callOptions) {
      catchUp()
      for (const entry of ipvs.connections.all) {
        throwIfCancelled(callOptions, 'connections')
        yield ipvs.describe(entry)
      }
    },
    async *exportConnections(callOptions) {
      catchUp()
      const all = [...ipvs.connections.all]
      for (const wantsTemplates of [true, false]) {
        throwIfCancelled(callOptions, 'exportConnections')
        const wanted = all.filter(({ isTemplate }) => isTemplate === wantsTemplates)
        const batch = wanted.flatMap((entry) => portable(entry, ipvs.nowMs) ?? [])
        if (batch.length > 0) yield batch
      }
    },
    changedConnections: ({ rules, signal }) => ipvs.follower.follow(rules, signal),
    async takeConnections(connections, callOptions) {
      throwIfCancelled(callOptions, 'takeConnections')
      catchUp()
      return { ...takeAll(ipvs, connections), refused: {} }
    },
    receive(packet) {
      const nowMs = clock()
      if (nowMs > ipvs.nowMs) ipvs.advanceTo(nowMs)
      return ipvs.receive(packet)
    },
    advance(ms) {
      catchUp()
      ipvs.advanceTo(ipvs.nowMs + ms)
    },
    setAvailablePages: (pages) => ipvs.setAvailablePages(pages),
    traffic: {
      ...fakeTraffic(ipvs),
      failNextApply(error) {
        failure = error
      },
    },
    async [Symbol.asyncDispose]() {
      ipvs.follower.close()
    },
  }
}

/** IPVS's time begins with the engine, whatever the clock says then. */
function clockOf(ipvs: Ipvs, nowMs: FakeOptions['nowMs']): () => number {
  const startMs = nowMs?.() ?? 0
  return () => Math.max((nowMs?.() ?? 0) - startMs, ipvs.nowMs)
}

/** @throws InfraError `not-found` for a server of a service that would not be there. */
function throwIfOrphaned(ipvs: Ipvs, changes: readonly EngineChange[]): void {
  const services = new Map<string, boolean>()
  for (const change of changes) {
    if (change.kind === 'service.add' || change.kind === 'service.update')
      services.set(serviceKey(change.service.id), true)
    else if (change.kind === 'service.remove') services.set(serviceKey(change.id), false)
    else if (change.kind === 'server.add' || change.kind === 'server.update') {
      const key = serviceKey(change.id)
      if (services.get(key) ?? ipvs.services.byKey.has(key)) continue
      const message = `add server ${realServerKey(change.server)}: there is no service ${key}`
      throw new InfraError('not-found', message, { subject: key })
    }
  }
}
