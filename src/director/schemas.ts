/** What crosses the control socket and what is kept on disk, checked on the way in. */
import { z } from 'zod'
import type { EngineName } from '../engines/engine.ts'
import type { ClusterServices, DrainTarget } from './control.ts'
import { probeSchema } from './probe-schemas.ts'
import {
  address,
  endpointSchema,
  port,
  protocol,
  serverShape,
  serviceIdSchema,
  serviceSchema,
  settingsSchema,
} from './service-schemas.ts'

const milliseconds = z.number().positive()

const server = z.strictObject({
  ...serverShape,
  weight: z.int().min(0),
  upperThreshold: z.int().min(0),
  lowerThreshold: z.int().min(0),
  guest: z.string().exactOptional(),
  guestPort: port.exactOptional(),
  checkPort: port.exactOptional(),
})

const check = z.strictObject({
  probe: probeSchema,
  port: port.exactOptional(),
  everyMs: milliseconds,
  timeoutMs: milliseconds,
  rise: z.int().min(1),
  fall: z.int().min(1),
})

const wantedService = z.strictObject({
  name: z.string().min(1),
  service: serviceSchema,
  servers: z.array(server),
  check: check.exactOptional(),
  onFailure: z.enum(['drain', 'remove']),
  fallback: endpointSchema.exactOptional(),
})

export const clusterServicesSchema: z.ZodType<ClusterServices> = z.strictObject({
  cluster: z.string().min(1),
  services: z.array(wantedService),
  settings: settingsSchema.exactOptional(),
})

export const drainTargetSchema: z.ZodType<DrainTarget> = z.union([
  z.strictObject({ guest: z.string().min(1) }),
  z.strictObject({ endpoint: endpointSchema }),
])

export const reachSchema = z.array(
  z.strictObject({ protocol: protocol.exactOptional(), guestPort: port, address, port }),
)

export const checkNowSchema = z.strictObject({ id: serviceIdSchema })

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
