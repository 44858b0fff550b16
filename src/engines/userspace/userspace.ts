/**
 * The userspace engine: no kernel module, no root. Each connection is two sockets, joined in threads of our own, so
 * that the caller's thread never waits for traffic.
 */
import { availableParallelism } from 'node:os'
import { InfraError, isInfraError } from '../../errors.ts'
import { addressNumber } from '../../lvs/address.ts'
import { type Endpoint, type ServiceId, schedulerNames, serviceKey } from '../../lvs/service.ts'
import {
  type Connection,
  changedService,
  type Engine,
  type EngineCapabilities,
  type ServiceSnapshot,
  type TableChange,
  throwIfCancelled,
} from '../engine.ts'
import { sharedLedgerMemory } from '../ledger.ts'
import type { TablePage } from '../scheduling.ts'
import { sharedTemplateMemory, templateLimit } from '../template-use.ts'
import { threadFile } from '../thread-file.ts'
import { startThread, type ThreadLink } from '../thread-link.ts'
import { threadedTable } from '../threaded-table.ts'
import { sharedEpollMemory } from './epoll/memory.ts'
import type {
  Answer,
  Call,
  ConnectionCursor,
  ConnectionPage,
  Fault,
  PlaneName,
  PlaneSettings,
  WorkerData,
} from './plane.ts'
import { portsTemplates, templatesOnly } from './porting.ts'

export type UserspaceOptions = Partial<PlaneSettings> & {
  /** `epoll`: system calls of our own; `net`: Node's public interfaces only; `auto`: the first that works here. */
  readonly plane?: PlaneName | 'auto'
  /** Of the epoll plane; left out: one per core, up to four. */
  readonly threads?: number
  /** An exception in a data-plane thread that cost a connection; left out: a process warning. */
  readonly onFault?: (reason: string) => void
}

export type UserspaceEngine = Engine & { readonly plane: PlaneName }

export const userspaceCapabilities: EngineCapabilities = {
  protocols: ['tcp', 'udp'],
  schedulers: schedulerNames,
  forwarding: ['masq', 'local'],
  tunnels: [],
  tunnelChecksums: false,
  mixedFamilies: 'all',
  fwmark: false,
  persistence: true,
  persistenceEngines: ['sip'],
  onePacket: true,
  thresholds: true,
  proxyProtocol: true,
  idleTimeout: true,
  anyPort: false,
  applications: [],
  dns: false,
  syncDaemon: false,
  syncSeals: false,
  porting: templatesOnly,
  sysctls: ['expire_nodest_conn', 'expire_quiescent_template', 'lblc_expiration', 'lblcr_expiration'],
}

const defaults: PlaneSettings = {
  connectTimeoutMs: 5000,
  udpSessions: 16_384,
  templates: templateLimit,
}

/** How often a listing that a change has spoilt is begun anew before it is taken as it comes. */
const listingTries = 5

/**
 * Starts the engine with an empty table.
 *
 * A TCP connection that finds no usable server is accepted and reset. A server that cannot be reached gives way to the
 * scheduler's next choice, each tried once. Packets are counted as reads (what came in one piece), bytes exactly.
 * Of persistence templates it remembers 262,144: beyond, the one used longest ago gives way, and when even the slots of
 * such are all kept by connections, a client is scheduled and not remembered. Where each datagram is scheduled by itself,
 * answers find their client for 30 s after its last one.
 * @throws InfraError `unsupported` when the wanted plane cannot run here.
 */
export async function userspaceEngine(options: UserspaceOptions = {}): Promise<UserspaceEngine> {
  const { plane: wanted = 'auto', threads = Math.min(availableParallelism(), 4), onFault = warn, ...rest } = options
  const settings = { ...defaults, ...rest }
  const { plane, links } = await startPlane(wanted, threads, settings, onFault)
  const [director] = links
  if (director === undefined) throw new InfraError('failed', 'the data plane has no thread', { subject: 'userspace' })

  const ending = new AbortController()
  const read: Engine['read'] = async ({ only, signal }) => {
    throwIfCancelled({ signal }, 'read')
    return await readPages(director, only, signal)
  }

  const named = { name: 'userspace', capabilities: userspaceCapabilities } as const

  return {
    ...named,
    plane,
    ...threadedTable((call, signal) => director.call(call, signal), named, throwIfInvalid),
    read,
    async *connections(callOptions): AsyncIterable<Connection> {
      for (const link of links) {
        let from: ConnectionCursor | undefined = { part: 'tcp', at: 0 }
        while (from !== undefined) {
          throwIfCancelled(callOptions, 'connections')
          const page = (await link.call({ kind: 'connections', from }, callOptions.signal)) as ConnectionPage
          yield* page.connections
          from = page.next
        }
      }
    },
    ...portsTemplates(director, read, ending.signal),
    async [Symbol.asyncDispose]() {
      ending.abort()
      await closeAll(links)
    },
  }
}

function warn(reason: string): void {
  process.emitWarning(`a connection was ended: ${reason}`, 'BatonDataPlane')
}

/** In pages, so that the thread that schedules has other turns between; begun anew when the table changes meanwhile. */
async function readPages(
  director: WorkerLink,
  only: readonly ServiceId[] | undefined,
  signal: AbortSignal,
): Promise<readonly ServiceSnapshot[]> {
  for (let tries = 1; ; tries++) {
    const services: ServiceSnapshot[][] = []
    let version: number | undefined
    let from: number | undefined = 0
    while (from !== undefined) {
      const page = (await director.call({ kind: 'read', only, from }, signal)) as TablePage
      if (version !== undefined && page.version !== version && tries < listingTries) break
      version = page.version
      services.push([...page.services])
      from = page.next
    }
    if (from === undefined) return services.flat()
  }
}

type WorkerLink = ThreadLink<Call, Answer>
type RunningPlane = { readonly plane: PlaneName; readonly links: readonly WorkerLink[] }

type OnFault = (reason: string) => void

async function startPlane(
  wanted: PlaneName | 'auto',
  threads: number,
  settings: PlaneSettings,
  onFault: OnFault,
): Promise<RunningPlane> {
  try {
    return await startThreads(wanted === 'auto' ? 'epoll' : wanted, threads, settings, onFault)
  } catch (error) {
    if (wanted !== 'auto' || !isInfraError(error, 'unsupported')) throw error
    return await startThreads('net', 1, settings, onFault)
  }
}

async function startThreads(
  plane: PlaneName,
  wanted: number,
  settings: PlaneSettings,
  onFault: OnFault,
): Promise<RunningPlane> {
  const threads = plane === 'net' ? 1 : wanted
  const epoll = plane === 'epoll' ? sharedEpollMemory(threads) : undefined
  const memory = sharedLedgerMemory(threads)
  const templates = sharedTemplateMemory(settings.templates)
  const file = await threadFile('userspace', './userspace/worker.ts')
  const started = await Promise.allSettled(
    Array.from({ length: threads }, (_, thread) => {
      const data: WorkerData = { plane, thread, threads, memory, epoll, templates, settings }
      const onNote = ({ reason }: Fault): void => onFault(reason)
      return startThread<Call, Answer, Fault>({ file, name: `${plane}-${thread}`, data, onNote })
    }),
  )
  const links = started.flatMap((result) => (result.status === 'fulfilled' ? [result.value] : []))
  const failed = started.find((result) => result.status === 'rejected')
  if (failed === undefined) return { plane, links }
  await closeAll(links)
  throw failed.reason
}

/** The first thread may hand clients to the others until it is told to stop, and takes them back until it is closed. */
async function closeAll([director, ...others]: readonly WorkerLink[]): Promise<void> {
  await director?.call({ kind: 'stop' }).catch(() => undefined)
  await Promise.all(others.map((link) => link.close({ kind: 'close' })))
  await director?.close({ kind: 'close' })
}

/** What no capability names: an address and a port to listen on, and one to connect to. */
function throwIfInvalid(changes: readonly TableChange[]): void {
  for (const change of changes) {
    const place = placeOf(change)
    if (place === undefined) continue
    const subject = serviceKey(changedService(change))
    if (addressNumber(place.address) === undefined)
      throw new InfraError('invalid', `${subject}: ${place.address} is no address`, { subject })
    if (place.port < 1 || place.port > 65_535)
      throw new InfraError('unsupported', `${subject}: the userspace engine needs a port, not ${place.port}`, {
        subject,
        hint: 'services on all ports (port 0) need the ebpf or ipvs engine',
      })
  }
}

function placeOf(change: TableChange): Endpoint | undefined {
  if (change.kind === 'server.add' || change.kind === 'server.update') return change.server
  if (change.kind !== 'service.add' && change.kind !== 'service.update') return undefined
  return change.service.id.kind === 'address' ? change.service.id : undefined
}
