/** What the parts of the application engine's thread share. */
import { flowBetween } from '../flow.ts'
import type { Ledger } from '../ledger.ts'
import type { ServerRecord, ServiceRecord } from '../records.ts'
import type { Scheduling } from '../scheduling.ts'
import type { TemplateUse } from '../template-use.ts'
import type { ApplicationSettings } from './calls.ts'
import { type Ends, nowMs } from './ends.ts'
import type { Placement, Running } from './running.ts'
import type { ServerConnections } from './server-connections.ts'

export type Context = {
  readonly scheduling: Scheduling
  readonly templates: TemplateUse
  readonly ledger: Ledger
  readonly settings: ApplicationSettings
  readonly servers: ServerConnections
  /** Requests, tunnels and relays under way: each counts on its server. */
  readonly running: Running<Context>[]
}

/** Asks the scheduler, or the client's persistence template; what is placed counts as active at once. */
export function place(
  { scheduling: { templates } }: Context,
  service: ServiceRecord,
  ends: Ends,
  tried: readonly ServerRecord[],
): Placement | undefined {
  const server = templates.place(service, flowBetween(ends.client, ends.local, nowMs), tried)
  return server === undefined ? undefined : { server, template: templates.slot }
}

/** Takes back what was counted, for a server that could not be reached. */
export function takeBack({ ledger, templates }: Context, { server, template }: Placement): void {
  ledger.addFailure(server.slot)
  ledger.addConnection(server.slot, -1)
  ledger.addActive(server.slot, -1)
  templates.release(template)
}

/** It has ended. `isActive`: it was not half closed. */
export function letGo({ ledger, templates }: Context, { server, template }: Placement, isActive: boolean): void {
  if (isActive) ledger.addActive(server.slot, -1)
  else ledger.addInactive(server.slot, -1)
  templates.release(template)
}

export function poolRecord({ scheduling }: Context, name: string): ServiceRecord | undefined {
  return scheduling.table.services.get(`pool ${name}`)
}
