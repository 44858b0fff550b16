/** A new connection for a packet: by its client's template, or by the scheduler (ip_vs_schedule, ip_vs_sched_persist). */
import { callIdOf } from '../../lvs/call-id.ts'
import type { TransportPacket } from '../../lvs/packet.ts'
import { connectionServerPort, templateKey, templateServerPort } from '../../lvs/persistence.ts'
import type { Persistence } from '../../lvs/service.ts'
import { ftpDataPort } from '../../lvs/service-lookup.ts'
import type { Settings } from '../../lvs/settings.ts'
import { flowBetween } from '../flow.ts'
import type { Connections, Entry } from './connections.ts'
import type { InstalledServer, InstalledService } from './services.ts'

export type Scheduling = { readonly connections: Connections; readonly settings: Settings; readonly nowMs: number }

/** `not-ours`: IPVS has no say; `nobody`: no server is usable; `unusable`: the packet lacks what tells clients apart. */
export type Scheduled = Entry | 'not-ours' | 'nobody' | 'unusable'

export function schedule(context: Scheduling, service: InstalledService, packet: TransportPacket): Scheduled {
  const { id, persistence } = service.service
  // Data connections that an FTP server begins are made with their control connection.
  if (packet.source.port === ftpDataPort) return 'not-ours'
  if (persistence !== undefined) return schedulePersistent(context, service, persistence, packet)
  if (id.kind === 'address' && id.port !== packet.destination.port) return 'nobody'
  const server = pick(context, service, packet)
  return server === undefined ? 'nobody' : open(context, service, server, packet)
}

function schedulePersistent(
  context: Scheduling,
  service: InstalledService,
  persistence: Persistence,
  packet: TransportPacket,
): Scheduled {
  const callId = persistence.engine === 'sip' ? callIdIn(packet) : undefined
  if (persistence.engine === 'sip' && callId === undefined) return 'unusable'
  const { connections, nowMs } = context
  const key = templateKey(service.service, packet.protocol, packet.source.address, packet.destination)
  let template = usable(context, connections.findTemplate(key, callId))
  const server = template?.on ?? pick(context, service, packet)
  if (server === undefined) return 'nobody'
  if (template === undefined) {
    const port = templateServerPort(service.service, packet.destination.port, server)
    template = connections.open({
      protocol: key.protocol,
      client: { address: key.client, port: 0 },
      service: key.service,
      server: { address: server.server.address, port },
      on: server,
      by: server.server.forwarding,
      kind: 'template',
      callId,
    })
    template.timeoutMs = persistence.timeoutSeconds * 1000
  }
  const entry = open(context, service, server, packet)
  connections.control(entry, template)
  connections.restart(template, nowMs)
  return entry
}

/** A template that leads to a deleted server, or with expire_quiescent_template to one of weight 0, is found for the last time. */
function usable({ connections, settings }: Scheduling, template: Entry | undefined): Entry | undefined {
  if (template === undefined) return undefined
  const { on } = template
  const isQuiescent = on?.weight === 0 && settings.sysctls.expire_quiescent_template !== 0
  if (on?.isAvailable === true && !isQuiescent) return template
  connections.invalidate(template)
  return undefined
}

function pick({ nowMs }: Scheduling, { scheduler }: InstalledService, packet: TransportPacket) {
  return scheduler.pick(flowBetween(packet.source, packet.destination, () => nowMs))
}

function open(
  { connections }: Scheduling,
  { service }: InstalledService,
  server: InstalledServer,
  packet: TransportPacket,
): Entry {
  const port = connectionServerPort(service, packet.destination.port, server)
  return connections.open({
    protocol: packet.protocol,
    client: packet.source,
    service: packet.destination,
    server: { address: server.server.address, port },
    on: server,
    by: server.server.forwarding,
    kind: service.onePacket && packet.protocol === 'udp' ? 'one-packet' : 'connection',
  })
}

/** Only UDP has a say in it. */
function callIdIn(packet: TransportPacket): string | undefined {
  return packet.protocol === 'udp' && packet.payload !== undefined ? callIdOf(packet.payload) : undefined
}
