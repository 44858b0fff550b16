/**
 * Counts that never go back in a daemon's life, from those of an engine, which begin anew when counters are zeroed, and
 * when a server is added again; or not, as Linux brings back one that still has connections with its counts. So they are
 * looked at before and after. What was counted is remembered under the name by which the metrics know it.
 */
import {
  type Counters,
  changedService,
  type Engine,
  type EngineChange,
  isTableChange,
  type ServiceSnapshot,
} from '../../engines/engine.ts'
import { portsAs } from '../../engines/porting.ts'
import { realServerKey, type ServiceId, serviceKey } from '../../lvs/service.ts'

export type Counts = Counters & { readonly failures: number }

export type Totals = {
  /** To be called once before the services of a scrape. */
  begin(): void
  /** `key`: what the engine calls it; `name`: how the metrics do. */
  service(key: string, name: string, counters: Counters): Counts
  server(key: string, service: string, server: string, counters: Counters, failures: number): Counts
  /** The engine, heeded: what it counts is taken before and after it is removed, added or zeroed. */
  readonly heed: (engine: Engine) => Engine
}

/** `key`: the service of the engine in which it was counted last. */
type Entry = { base: Counts; last: Counts; key: string; scrape: number }

const none: Counts = { connections: 0, packetsIn: 0, packetsOut: 0, bytesIn: 0, bytesOut: 0, failures: 0 }

/** More than these that are not there any more are forgotten, all at once: their counts begin at 0 when they come back. */
const mostGone = 50_000

export function openTotals(): Totals {
  const entries = new Map<string, Entry>()
  /** From what the engine calls a service to how the metrics do: of what was ever scraped. */
  const names = new Map<string, string>()
  let scrape = 0
  let seen = 0

  const take = (key: string, name: string, now: Counts): Counts => {
    const entry = entries.get(name)
    if (entry === undefined) {
      entries.set(name, { base: none, last: now, key, scrape })
      seen += 1
      return now
    }
    if (entry.scrape !== scrape) seen += 1
    entry.scrape = scrape
    if (entry.key !== key || isLess(now, entry.last)) entry.base = sum(entry.base, entry.last)
    entry.last = now
    entry.key = key
    return entry.base === none ? now : sum(entry.base, now)
  }
  const takeAll = (snapshots: readonly ServiceSnapshot[]): void => {
    for (const { service, servers, counters } of snapshots) {
      const key = serviceKey(service.id)
      const name = names.get(key)
      // One that has moved counts where it is now.
      if (name === undefined || entries.get(name)?.key !== key) continue
      take(key, name, { ...counters, failures: 0 })
      for (const { server, counters: own, connectFailures = 0 } of servers)
        take(key, `${name} ${realServerKey(server)}`, { ...own, failures: connectFailures })
    }
  }
  return {
    begin() {
      if (entries.size - seen > mostGone) {
        for (const [name, entry] of entries) if (entry.scrape !== scrape) entries.delete(name)
        for (const [key, name] of names) if (!entries.has(name)) names.delete(key)
      }
      scrape += 1
      seen = 0
    },
    service(key, name, counters) {
      names.set(key, name)
      return take(key, name, { ...counters, failures: 0 })
    },
    server: (key, service, server, counters, failures) => take(key, `${service} ${server}`, { ...counters, failures }),
    heed: (engine) => ({
      name: engine.name,
      capabilities: engine.capabilities,
      ...(engine.isShared === undefined ? {} : { isShared: engine.isShared }),
      async apply(changes, options) {
        const only = [...comingOrGoing(changes)].filter(([key]) => names.has(key)).map(([, id]) => id)
        if (only.length > 0) takeAll(await engine.read({ ...options, only }))
        await engine.apply(changes, options)
        if (only.length > 0) takeAll(await engine.read({ ...options, only }))
      },
      async zero(id, options) {
        const isKnown = id === undefined ? names.size > 0 : names.has(serviceKey(id))
        const what = id === undefined ? options : { ...options, only: [id] }
        if (isKnown) takeAll(await engine.read(what))
        await engine.zero(id, options)
        if (isKnown) takeAll(await engine.read(what))
      },
      read: (options) => engine.read(options),
      info: (options) => engine.info(options),
      connections: (options) => engine.connections(options),
      ...portsAs(engine),
      ...(engine.synchronisation === undefined ? {} : { synchronisation: engine.synchronisation.bind(engine) }),
      ...(engine.trace === undefined ? {} : { trace: engine.trace.bind(engine) }),
      ...(engine.release === undefined ? {} : { release: () => engine.release?.() ?? Promise.resolve() }),
      [Symbol.asyncDispose]: () => engine[Symbol.asyncDispose](),
    }),
  }
}

function comingOrGoing(changes: readonly EngineChange[]): ReadonlyMap<string, ServiceId> {
  const found = new Map<string, ServiceId>()
  for (const change of changes) {
    if (!isTableChange(change) || change.kind === 'service.update' || change.kind === 'server.update') continue
    const id = changedService(change)
    found.set(serviceKey(id), id)
  }
  return found
}

function isLess(a: Counts, b: Counts): boolean {
  return (
    a.connections < b.connections ||
    a.packetsIn < b.packetsIn ||
    a.packetsOut < b.packetsOut ||
    a.bytesIn < b.bytesIn ||
    a.bytesOut < b.bytesOut ||
    a.failures < b.failures
  )
}

function sum(a: Counts, b: Counts): Counts {
  return {
    connections: a.connections + b.connections,
    packetsIn: a.packetsIn + b.packetsIn,
    packetsOut: a.packetsOut + b.packetsOut,
    bytesIn: a.bytesIn + b.bytesIn,
    bytesOut: a.bytesOut + b.bytesOut,
    failures: a.failures + b.failures,
  }
}
