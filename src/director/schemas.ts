/** What crosses the control socket and what is kept on disk, checked on the way in. */
import * as z from 'zod'
import type { EngineName, TraceQuestion } from '../engines/engine.ts'
import type { ClusterServices, HandOver, StopRequest } from './control.ts'
import { synchronisationSchema } from './edit-schemas.ts'
import { type DirectorEvent, eventKinds } from './events.ts'
import { probeSchema } from './probe-schemas.ts'
import {
  address,
  endpointSchema,
  forwarding,
  port,
  protocol,
  serverShape,
  serviceIdSchema,
  serviceSchema,
  settingsSchema,
} from './service-schemas.ts'
import type { DrainTarget } from './states.ts'
import { vrrpSchema } from './vrrp-schemas.ts'

const onFailure = z.enum(['drain', 'remove'])
const milliseconds = z.number().positive()

const check = z.strictObject({
  probe: probeSchema,
  address: address.exactOptional(),
  port: port.exactOptional(),
  from: z
    .strictObject({
      address: address.exactOptional(),
      port: port.exactOptional(),
      interface: z.string().min(1).max(15).exactOptional(),
      mark: z.int().min(0).max(4_294_967_295).exactOptional(),
    })
    .exactOptional(),
  everyMs: milliseconds,
  timeoutMs: milliseconds,
  doubtEveryMs: milliseconds.exactOptional(),
  rise: z.int().min(1),
  fall: z.int().min(1),
  connects: z.int().min(1).exactOptional(),
  connectTimeoutMs: milliseconds.exactOptional(),
  warmUpMs: milliseconds.exactOptional(),
  presumed: z.literal(true).exactOptional(),
  damping: z.strictObject({ changes: z.int().min(1), withinMs: milliseconds, holdMs: milliseconds }).exactOptional(),
})

const server = z.strictObject({
  ...serverShape,
  weight: z.int().min(0),
  upperThreshold: z.int().min(0),
  lowerThreshold: z.int().min(0),
  guest: z.string().exactOptional(),
  guestPort: port.exactOptional(),
  formerly: z.string().exactOptional(),
  checkPorts: z.record(z.string().regex(/^[1-9][0-9]{0,4}$/), port).exactOptional(),
  checks: z.array(check).exactOptional(),
  onFailure: onFailure.exactOptional(),
})

const wantedService = z.strictObject({
  name: z.string().min(1),
  service: serviceSchema,
  servers: z.array(server),
  checks: z.array(check),
  onFailure,
  fallback: z
    .strictObject({ address, port, forwarding: forwarding.exactOptional(), idle: z.literal('drain').exactOptional() })
    .exactOptional(),
  quorum: z.strictObject({ weight: z.int().min(1), hysteresis: z.int().min(0) }).exactOptional(),
  fallbackCommand: z.string().min(1).exactOptional(),
  panicPercent: z.number().min(1).max(100).exactOptional(),
  slowStartMs: milliseconds.exactOptional(),
})

const events = z.array(z.enum(eventKinds as unknown as [DirectorEvent['kind']])).exactOptional()

const notifySink = z.discriminatedUnion('kind', [
  z.strictObject({ kind: z.literal('command'), argv: z.array(z.string()).min(1), events }),
  z.strictObject({
    kind: z.literal('webhook'),
    url: z.url({ protocol: /^https?$/ }),
    headers: z.record(z.string(), z.string()).exactOptional(),
    events,
  }),
])

const guestCare = z.strictObject({
  pool: z.string().min(1),
  guests: z.array(z.string().min(1)),
  drainMs: z.number().min(0).exactOptional(),
  restart: z
    .strictObject({
      afterMs: milliseconds,
      backOffMs: milliseconds,
      limit: z.int().min(1),
      withinMs: milliseconds,
    })
    .exactOptional(),
})

export const clusterServicesSchema: z.ZodType<ClusterServices> = z.strictObject({
  cluster: z.string().min(1),
  services: z.array(wantedService),
  guests: z.array(guestCare).exactOptional(),
  settings: settingsSchema.exactOptional(),
  maintenance: z.string().min(1).exactOptional(),
  notify: z.array(notifySink).exactOptional(),
  metrics: endpointSchema.exactOptional(),
  vrrp: vrrpSchema.exactOptional(),
  sync: synchronisationSchema.exactOptional(),
})

export const drainTargetSchema: z.ZodType<DrainTarget> = z.union([
  z.strictObject({ guest: z.string().min(1), until: z.literal('start').exactOptional() }),
  z.strictObject({ endpoint: endpointSchema }),
])

export const reachSchema = z.array(
  z.strictObject({ protocol: protocol.exactOptional(), guestPort: port, address, port }),
)

/** Left out, nothing is kept. */
export const stopRequestSchema: z.ZodType<StopRequest> = z
  .strictObject({
    keep: z.boolean().exactOptional().describe('Traffic goes on without the daemon, where the engine can do that'),
  })
  .prefault({})

export const handOverSchema: z.ZodType<HandOver> = z.strictObject({
  router: z.string().min(1).exactOptional(),
  back: z.boolean().exactOptional(),
})

export const traceRequestSchema: z.ZodType<TraceQuestion> = z.strictObject({
  protocol: z.enum(['tcp', 'udp']),
  client: endpointSchema,
  service: endpointSchema,
  interface: z.string().exactOptional(),
})

export const checkNowSchema = z.strictObject({ id: serviceIdSchema })

const flag = z.enum(['true', 'false']).transform((text) => text === 'true')

/** As it stands in a URL. */
export const eventsRequestSchema = z.strictObject({
  after: z
    .string()
    .regex(/^\d{1,15}$/, 'a whole number')
    .transform(Number)
    .exactOptional(),
  cluster: z.string().min(1).exactOptional(),
  results: flag.exactOptional(),
  follow: flag.exactOptional(),
})

/** What the operator wants of a director: all that must outlive its daemon. */
export type Intent = {
  readonly version: 1
  /** The engine that ran last: what `auto` means from then on. */
  readonly engine?: EngineName
  readonly clusters: readonly ClusterServices[]
  readonly drains: readonly DrainTarget[]
  /** Keys of services that no cluster wants any more and that may still stand in the engine. */
  readonly leaving: readonly string[]
}

export const intentSchema: z.ZodType<Intent> = z.strictObject({
  version: z.literal(1),
  engine: z.enum(['userspace', 'ebpf', 'ipvs', 'fake']).exactOptional(),
  clusters: z.array(clusterServicesSchema),
  drains: z.array(drainTargetSchema),
  leaving: z.array(z.string()),
})
