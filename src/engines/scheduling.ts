/** What the thread that schedules holds, in every engine that connects: the table, the persistence templates, and the settings. */
import { type PortableConnection, portedServerPorts, portedServices } from '../lvs/portable-connection.ts'
import { realServerKey, type Service, type ServiceId, serviceKey } from '../lvs/service.ts'
import { defaultSettings, type Settings } from '../lvs/settings.ts'
import { changedService, type ServiceSnapshot, type TableChange, type TakenConnections } from './engine.ts'
import type { Ledger } from './ledger.ts'
import type { ServiceRecord } from './records.ts'
import { Table } from './table.ts'
import type { TemplateUse } from './template-use.ts'
import { Templates } from './templates.ts'

/** Services per page of a listing: a thread that answers one moves no bytes meanwhile. */
const servicesPerPage = 500

export type TablePlace = { readonly only: readonly ServiceId[] | undefined; readonly from: number }

export type TablePage = {
  readonly services: readonly ServiceSnapshot[]
  /** Of the table: pages of different versions do not fit together. */
  readonly version: number
  readonly next: number | undefined
}

export class Scheduling {
  readonly table: Table
  readonly templates: Templates
  settings: Settings = defaultSettings
  /** Counts applies, so that a reader of pages sees that the table is another. */
  #version = 0

  constructor(ledger: Ledger, use: TemplateUse, templateLimit: number) {
    const now = (): Settings['sysctls'] => this.settings.sysctls
    this.table = new Table(ledger, {
      get lblc_expiration() {
        return now().lblc_expiration
      },
      get lblcr_expiration() {
        return now().lblcr_expiration
      },
    })
    this.templates = new Templates(use, this.table, {
      limit: templateLimit,
      expiresQuiescent: () => this.settings.sysctls.expire_quiescent_template !== 0,
    })
  }

  /** Makes the changes that `table.check` has passed; returns the keys of the services whose publication is stale. */
  commit(changes: readonly TableChange[], settings: Settings | undefined): Iterable<string> {
    this.#version += 1
    this.table.commit(changes)
    if (settings !== undefined) {
      this.settings = settings
      return [...this.table.services.keys()]
    }
    return new Set(changes.map((change) => serviceKey(changedService(change))))
  }

  read({ only, from }: TablePlace): TablePage {
    const services = this.table.read({ only, from, count: servicesPerPage })
    const end = from + services.length
    const isAll = only !== undefined || end >= this.table.services.size
    return { services, version: this.#version, next: isAll ? undefined : end }
  }

  /** Persistence templates of another director, where their service and server are here. */
  takeTemplates(connections: readonly PortableConnection[], nowMs: number): TakenConnections {
    const counts = { taken: 0, updated: 0, waiting: 0, refused: {} }
    for (const ported of connections) {
      const service = [...portedServices(ported)]
        .map((id) => this.table.services.get(serviceKey(id)))
        .find((record) => record !== undefined)
      const { address } = ported.server
      const server = portedServerPorts(ported)
        .map((own) => service?.byKey.get(realServerKey({ address, port: own })))
        .find((record) => record !== undefined)
      if (service === undefined || server === undefined) counts.waiting += 1
      else counts[this.templates.take(service, server, ported, nowMs)] += 1
    }
    return counts
  }

  /** Whether connections to removed servers are to end at once. */
  get endsOrphans(): boolean {
    return this.settings.sysctls.expire_nodest_conn !== 0
  }

  /** Call a few times a second. */
  tick(nowMs: number): void {
    this.templates.sweep(nowMs)
    this.table.sweep(nowMs)
    this.table.estimate(nowMs)
  }

  idleSeconds({ idleTimeoutSeconds, id }: Service): number {
    const { tcp, udp } = this.settings.timeouts
    return idleTimeoutSeconds ?? (id.kind === 'address' && id.protocol === 'udp' ? udp : tcp)
  }

  /** Of a connection that one side has ended: a service's own timeout holds for that, too. */
  finSeconds({ idleTimeoutSeconds }: Service): number {
    return idleTimeoutSeconds ?? this.settings.timeouts.tcpFin
  }
}

/** Whether each of its datagrams is scheduled by itself. */
export function isOnePacket({ service }: ServiceRecord): boolean {
  return service.onePacket && service.id.kind === 'address' && service.id.protocol === 'udp'
}
