/** A director on the fake engine, a clock of its own and probes that answer as told: for tests. */
import type { WantedService } from '../../src/director/control.ts'
import { type Director, openDirector } from '../../src/director/director.ts'
import { type EditJournal, memoryEditJournal } from '../../src/director/edit-journal.ts'
import type { DirectorEvent } from '../../src/director/events.ts'
import type { FindGuests } from '../../src/director/following.ts'
import { emptyIntent, memoryIntentStore } from '../../src/director/intent.ts'
import type { Deliver } from '../../src/director/notify/sink.ts'
import type { RestartGuest } from '../../src/director/restarts/restarts.ts'
import type { Intent } from '../../src/director/schemas.ts'
import type { RunLine } from '../../src/director/shell-line.ts'
import type { Surroundings } from '../../src/director/surroundings.ts'
import type { Engine } from '../../src/engines/engine.ts'
import { type FakeEngine, fakeEngine } from '../../src/engines/fake/fake.ts'
import { InfraError } from '../../src/errors.ts'
import type { ProbeReport, ProbeResult } from '../../src/health/check.ts'
import { type FakeTiming, fakeTiming } from '../../src/health/fake-timing.ts'
import { serviceKey } from '../../src/lvs/service.ts'
import { buildServer, buildService, buildWanted } from './services.ts'

export const within = (): { signal: AbortSignal } => ({ signal: AbortSignal.timeout(5_000) })
export const at = (port: number): ReturnType<typeof buildService>['id'] => ({
  kind: 'address',
  protocol: 'tcp',
  address: '127.0.0.1',
  port,
})
export const named = (name: string, port: number, changes: Partial<WantedService> = {}): WantedService =>
  buildWanted({ name, service: buildService({ id: at(port) }), ...changes })
export const guestServer = (
  port: number,
  changes: Parameters<typeof buildServer>[1] = {},
): ReturnType<typeof buildServer> => buildServer(port, { guest: 'web-1', guestPort: 80, ...changes })

export type DirectorWorld = AsyncDisposable & {
  readonly director: Director
  readonly engine: FakeEngine
  readonly timing: FakeTiming
  readonly events: DirectorEvent[]
  /** Ports whose probes fail, and ports whose probes give no answer. */
  readonly sick: Set<number>
  readonly silent: Set<number>
  /** What servers say of themselves, by port. */
  readonly reports: Map<number, ProbeReport>
  /** The files of maintenance directories; of one that is not here there is none. */
  readonly files: Map<string, string[]>
  /** What addresses are called. */
  readonly names: Map<string, string[]>
  /** The lines that were run, with their arguments. */
  readonly ran: string[]
  /** Service keys whose addresses somebody else has. */
  readonly taken: Set<string>
  readonly applied: { count: number }
  readonly saved: () => Intent
  readonly saves: readonly Intent[]
}

export async function openDirectorWorld(
  intent: Intent = emptyIntent,
  {
    engine = fakeEngine(),
    taken = new Set<string>(),
    journal = memoryEditJournal(),
    surroundings,
    deliver,
    files = new Map(),
    names = new Map(),
    run = async () => undefined,
    restarts = 0,
    restartGuest,
    findGuests,
  }: {
    engine?: FakeEngine
    taken?: Set<string>
    journal?: EditJournal
    surroundings?: () => Promise<Surroundings>
    deliver?: Deliver
    files?: Map<string, string[]>
    names?: Map<string, string[]>
    run?: RunLine
    restarts?: number
    restartGuest?: RestartGuest
    findGuests?: FindGuests
  } = {},
): Promise<DirectorWorld> {
  const timing = fakeTiming()
  const store = memoryIntentStore(intent)
  const saves: Intent[] = []
  const events: DirectorEvent[] = []
  const sick = new Set<number>()
  const silent = new Set<number>()
  const applied = { count: 0 }
  const reports = new Map<number, ProbeReport>()
  const ran: string[] = []
  const director = await openDirector({
    engine: withTakenAddresses(engine, taken, applied),
    intent: {
      ...store,
      save: (next, options) => {
        saves.push(next)
        return store.save(next, options)
      },
    },
    journal,
    ...(surroundings === undefined ? {} : { surroundings }),
    ...(deliver === undefined ? {} : { deliver }),
    timing,
    now: () => new Date(0),
    onEvent: (event) => events.push(event),
    onStop: () => {},
    openProbe: () => (target) =>
      silent.has(target.port) ? new Promise(() => {}) : Promise.resolve(resultOf(target.port, sick, reports)),
    maintenance: {
      list: async (directory) => files.get(directory) ?? Promise.reject(noEntry),
      namesOf: async (address) => names.get(address) ?? [],
    },
    runLine: (line, signal) => {
      ran.push([line.line, ...line.args].join(' '))
      return run(line, signal)
    },
    restarts,
    ...(restartGuest === undefined ? {} : { restartGuest }),
    ...(findGuests === undefined ? {} : { findGuests }),
  })
  return {
    director,
    engine,
    timing,
    events,
    sick,
    silent,
    reports,
    files,
    names,
    ran,
    taken,
    applied,
    saved: store.saved,
    saves,
    [Symbol.asyncDispose]: () => director[Symbol.asyncDispose](),
  }
}

const noEntry = Object.assign(new Error('ENOENT: no such file or directory'), { code: 'ENOENT' })

function resultOf(port: number, sick: ReadonlySet<number>, reports: ReadonlyMap<number, ProbeReport>): ProbeResult {
  const report = reports.get(port)
  return {
    healthy: !sick.has(port),
    detail: `probe of ${port}`,
    tookMs: 0,
    ...(report === undefined ? {} : { report }),
  }
}

export function withTakenAddresses(engine: FakeEngine, taken: ReadonlySet<string>, applied: { count: number }): Engine {
  return {
    ...engine,
    async apply(changes, options) {
      applied.count += 1
      for (const change of changes)
        if (change.kind === 'service.add' && taken.has(serviceKey(change.service.id)))
          throw new InfraError('busy', 'the port is taken', { subject: serviceKey(change.service.id), retryable: true })
      await engine.apply(changes, options)
    },
  }
}

/** `port: weight` of every server, by the port of its service. */
export async function weights({ engine }: DirectorWorld): Promise<Record<number, Record<number, number>>> {
  const standing = await engine.read(within())
  return Object.fromEntries(
    standing.map(({ service: { id }, servers }) => [
      'port' in id ? id.port : 0,
      Object.fromEntries(servers.map(({ server }) => [server.port, server.weight] as const)),
    ]),
  )
}

export const put = (world: DirectorWorld, ...services: WantedService[]): Promise<void> =>
  world.director.putCluster({ cluster: 'shop', services }, within())
