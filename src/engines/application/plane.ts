/** The application engine's thread: the table, its listeners, and everything that runs. */
import { type Service, type ServiceId, serviceKey } from '../../lvs/service.ts'
import type { Settings } from '../../lvs/settings.ts'
import type { Connection, ServiceSnapshot, TableChange } from '../engine.ts'
import { Ledger, sharedLedgerMemory } from '../ledger.ts'
import { Scheduling } from '../scheduling.ts'
import { openTemplateUse, sharedTemplateMemory, templateLimit } from '../template-use.ts'
import type { ApplicationReport, ApplicationSettings, ConnectionPage } from './calls.ts'
import { type CertificateSet, isSameCertificates, loadCertificates, reloadChanged } from './certificates.ts'
import type { Context } from './context.ts'
import { nowMs } from './ends.ts'
import { openHttpFront } from './http-front.ts'
import { type Fronts, listen } from './listener.ts'
import type { Listener } from './model.ts'
import { openServerConnections } from './server-connections.ts'

/** How often what waits for too long is looked for. */
const sweepMs = 100
const pageSize = 1000

export type ApplicationPlane = {
  /** All or nothing. `settings`: all of them, when they are to change. */
  apply(changes: readonly TableChange[], settings: Settings | undefined): Promise<void>
  read(only: readonly ServiceId[] | undefined): ServiceSnapshot[]
  zero(id: ServiceId | undefined): void
  connections(from: number): ConnectionPage
  close(): Promise<void>
}

export function openApplicationPlane(
  settings: ApplicationSettings,
  report: (report: ApplicationReport) => void,
): ApplicationPlane {
  const ledger = new Ledger(sharedLedgerMemory(1), 0)
  const templates = openTemplateUse(sharedTemplateMemory())
  const scheduling = new Scheduling(ledger, templates, templateLimit)
  const { table } = scheduling
  const servers = openServerConnections(settings)
  const context: Context = { scheduling, templates, ledger, settings, servers, running: [] }
  const http = openHttpFront(context)
  const fronts: Fronts = { context, http }
  const listeners = new Map<string, Listener>()
  const sweeping = setInterval(() => {
    const now = nowMs()
    for (const one of copyOf(context)) one.kind.expire(context, one, now)
    scheduling.tick(now)
    servers.sweep()
    http.sweep()
  }, sweepMs)
  const watching = watchCertificates(listeners, settings.certificatePollMs, report)

  return {
    async apply(changes, wanted) {
      const { added } = table.check(changes)
      const fresh = await readCertificates(changes, listeners)
      const opened = await listenAll(fronts, added)
      scheduling.commit(changes, wanted)
      for (const [key, listener] of opened) listeners.set(key, listener)
      for (const [key, listener] of listeners) {
        listener.record = table.services.get(key)
        const certificates = fresh.get(key)
        if (certificates !== undefined) {
          listener.certificates = certificates
          listener.renew()
        }
        if (listener.record !== undefined) continue
        listeners.delete(key)
        listener.close()
      }
      http.sweep()
      if (scheduling.endsOrphans) endOrphans(context)
    },
    read: (only) => table.read({ only }),
    zero: (id) => table.zero(id),
    connections: (from) => page(context, from),
    async close() {
      clearInterval(sweeping)
      await watching.stop()
      for (const listener of listeners.values()) listener.close()
      for (const one of copyOf(context)) one.kind.abort(context, one)
      http.close()
      servers.close()
    },
  }
}

/** All or none. @throws InfraError when an address cannot be taken. */
async function listenAll(fronts: Fronts, added: ReadonlyMap<string, Service>): Promise<ReadonlyMap<string, Listener>> {
  const opened = new Map<string, Listener>()
  try {
    for (const [key, service] of added)
      if (service.id.kind === 'address') opened.set(key, await listen(fronts, service))
    return opened
  } catch (error) {
    for (const listener of opened.values()) listener.close()
    throw error
  }
}

/** Of services that are to have others than now; read before anything is changed. @throws InfraError naming the file. */
async function readCertificates(
  changes: readonly TableChange[],
  listeners: ReadonlyMap<string, Listener>,
): Promise<ReadonlyMap<string, CertificateSet>> {
  const fresh = new Map<string, CertificateSet>()
  for (const change of changes) {
    if (change.kind !== 'service.add' && change.kind !== 'service.update') continue
    const { application, id } = change.service
    const wanted = application !== undefined && 'certificates' in application ? application.certificates : undefined
    const key = serviceKey(id)
    if (wanted === undefined) fresh.delete(key)
    else {
      const standing = fresh.get(key) ?? listeners.get(key)?.certificates
      const isStanding = standing !== undefined && isSameCertificates(standing, wanted)
      fresh.set(key, isStanding ? standing : await loadCertificates(key, wanted))
    }
  }
  return fresh
}

function watchCertificates(
  listeners: ReadonlyMap<string, Listener>,
  pollMs: number,
  report: (report: ApplicationReport) => void,
): { readonly stop: () => Promise<void> } {
  let round = Promise.resolve()
  let isBusy = false
  const look = async (): Promise<void> => {
    isBusy = true
    for (const listener of [...listeners.values()]) {
      const { certificates } = listener
      if (certificates !== undefined && (await reloadChanged(certificates, report))) listener.renew()
    }
    isBusy = false
  }
  const timer = setInterval(() => {
    if (!isBusy) round = look()
  }, pollMs)
  return {
    stop() {
      clearInterval(timer)
      return round
    },
  }
}

/** The sysctl expire_nodest_conn. */
function endOrphans(context: Context): void {
  for (const one of copyOf(context)) if (one.on?.server.isRemoved === true) one.kind.abort(context, one)
}

/** What ends while it is walked must not move what is still to come. */
const copyOf = ({ running }: Context): Context['running'] => [...running]

function page(context: Context, from: number): ConnectionPage {
  const now = nowMs()
  const connections: Connection[] = []
  let at = 0
  for (const one of context.running) {
    if (at++ < from) continue
    const connection = one.kind.describe(context, one, now)
    if (connection !== undefined) connections.push(connection)
    if (connections.length === pageSize) return { connections, next: at }
  }
  return { connections, next: undefined }
}
