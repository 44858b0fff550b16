/**
 * The application engine: reads what a client says before it chooses a server (HTTP/1.1, TLS server names), and ends
 * TLS. Runs in a thread of its own, so that no request waits for the director and no director for a request.
 */
import { InfraError } from '../../errors.ts'
import { addressNumber } from '../../lvs/address.ts'
import { type Service, schedulerNames, serviceKey } from '../../lvs/service.ts'
import {
  type Connection,
  changedService,
  type Engine,
  type EngineCapabilities,
  type ServiceSnapshot,
  type TableChange,
  throwIfCancelled,
} from '../engine.ts'
import { noPorting, portsNothing } from '../porting.ts'
import { threadFile } from '../thread-file.ts'
import { startThread } from '../thread-link.ts'
import { threadedTable } from '../threaded-table.ts'
import {
  type Answer,
  type ApplicationReport,
  type ApplicationSettings,
  type Call,
  type ConnectionPage,
  defaultSettings,
} from './calls.ts'

export type ApplicationOptions = Partial<ApplicationSettings> & {
  /** Certificates that were read again, or could not be. */
  readonly onReport?: (report: ApplicationReport) => void
}

const applicationCapabilities: EngineCapabilities = {
  protocols: ['tcp'],
  schedulers: schedulerNames,
  forwarding: ['masq', 'local'],
  tunnels: [],
  tunnelChecksums: false,
  mixedFamilies: 'all',
  fwmark: false,
  persistence: true,
  persistenceEngines: ['sip'],
  onePacket: false,
  thresholds: true,
  proxyProtocol: true,
  idleTimeout: true,
  anyPort: false,
  applications: ['http', 'sni', 'tls'],
  dns: false,
  syncDaemon: false,
  syncSeals: false,
  porting: noPorting,
  sysctls: ['expire_nodest_conn', 'expire_quiescent_template', 'lblc_expiration', 'lblcr_expiration'],
}

/**
 * Starts the engine with an empty table. It takes tcp services with an `application`, and pools.
 *
 * An HTTP request in flight counts as an active connection of its server, and so does a tunnel; kept connections
 * without a request count nowhere. Bytes are those exchanged with the server.
 */
export async function applicationEngine(options: ApplicationOptions = {}): Promise<Engine> {
  const { onReport, ...own } = options
  const file = await threadFile('application', './application/worker.ts')
  const data: ApplicationSettings = { ...defaultSettings, ...own }
  const report = (note: ApplicationReport): void => onReport?.(note)
  const link = await startThread<Call, Answer, ApplicationReport>({ file, name: 'application', data, onNote: report })
  // It is a part of the engine that the director names, and does what that one's own threads do.
  const same = { name: 'userspace', capabilities: applicationCapabilities } as const

  return {
    ...same,
    ...threadedTable((call, signal) => link.call(call, signal), same, throwIfForeign),
    async read(callOptions) {
      throwIfCancelled(callOptions, 'read')
      return (await link.call(
        { kind: 'read', only: callOptions.only },
        callOptions.signal,
      )) as readonly ServiceSnapshot[]
    },
    async *connections(callOptions): AsyncIterable<Connection> {
      let from: number | undefined = 0
      while (from !== undefined) {
        throwIfCancelled(callOptions, 'connections')
        const page = (await link.call({ kind: 'connections', from }, callOptions.signal)) as ConnectionPage
        yield* page.connections
        from = page.next
      }
    },
    ...portsNothing('userspace'),
    async [Symbol.asyncDispose]() {
      await link.close({ kind: 'close' })
    },
  }
}

/** What no capability names: the kinds of service that are carried here, and addresses to listen on and to connect to. */
function throwIfForeign(changes: readonly TableChange[]): void {
  for (const change of changes) {
    const subject = serviceKey(changedService(change))
    if (change.kind === 'service.add' || change.kind === 'service.update') throwIfNotRead(change.service, subject)
    if (change.kind !== 'server.add' && change.kind !== 'server.update') continue
    const { address, port } = change.server
    if (addressNumber(address) === undefined)
      throw new InfraError('invalid', `${subject}: ${address} is no address`, { subject })
    if (port < 1 || port > 65_535)
      throw new InfraError('unsupported', `${subject}: a server that is connected to needs a port, not ${port}`, {
        subject,
        hint: 'say the port of the server',
      })
  }
}

function throwIfNotRead({ id, application }: Service, subject: string): void {
  if (id.kind === 'pool') return
  if (id.kind !== 'address' || application === undefined)
    throw new InfraError('unsupported', `${subject}: the application engine carries only what it reads, and pools`, {
      subject,
      hint: 'the userspace engine carries it',
    })
  if (addressNumber(id.address) === undefined)
    throw new InfraError('invalid', `${subject}: ${id.address} is no address`, { subject })
  if (application.kind !== 'sni' && application.certificates?.length === 0)
    throw new InfraError('invalid', `${subject}: TLS needs a certificate`, { subject })
}
