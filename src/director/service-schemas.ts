/** The model's services and servers as they cross the control socket and are kept on disk. */
import * as z from 'zod'
import type { Application } from '../lvs/application.ts'
import { type RealServer, type SchedulerName, type Service, type ServiceId, schedulerNames } from '../lvs/service.ts'
import { type SettingsChange, type SysctlName, sysctlNames, type Timeouts } from '../lvs/settings.ts'

export const port = z.int().min(0).max(65535)
export const address = z.string().min(1)
const name = z.string().min(1)

export const endpointSchema = z.strictObject({ address, port })

export const forwarding = z.enum(['masq', 'tunnel', 'direct', 'local'])

export const protocol = z.enum(['tcp', 'udp', 'sctp'])

export const serviceIdSchema: z.ZodType<ServiceId> = z.discriminatedUnion('kind', [
  z.strictObject({ kind: z.literal('address'), protocol, address, port }),
  z.strictObject({ kind: z.literal('fwmark'), mark: z.int().min(1).max(4294967295), family: z.enum(['ipv4', 'ipv6']) }),
  z.strictObject({ kind: z.literal('dns'), name, address, port }),
  z.strictObject({ kind: z.literal('pool'), name }),
])

const said = z.strictObject({ name, value: z.string().exactOptional() })

const rules = z.array(
  z.strictObject({
    match: z.strictObject({
      host: z.string().exactOptional(),
      path: z.strictObject({ value: z.string(), exact: z.boolean() }).exactOptional(),
      header: said.exactOptional(),
      cookie: said.exactOptional(),
    }),
    pool: name,
  }),
)
const certificates = z.array(z.strictObject({ certificate: name, key: name }))

const application: z.ZodType<Application> = z.discriminatedUnion('kind', [
  z.strictObject({ kind: z.literal('http'), rules, certificates: certificates.exactOptional() }),
  z.strictObject({ kind: z.literal('sni'), rules }),
  z.strictObject({ kind: z.literal('tls'), rules, certificates }),
])

export const serviceSchema: z.ZodType<Service> = z.strictObject({
  id: serviceIdSchema,
  scheduler: z.enum([...schedulerNames, 'none'] as unknown as [SchedulerName | 'none']),
  schedulerFlags: z.array(z.string()),
  persistence: z
    .strictObject({ timeoutSeconds: z.int().positive(), mask: z.string(), engine: z.literal('sip').exactOptional() })
    .exactOptional(),
  idlePersistenceEngine: z.literal('sip').exactOptional(),
  onePacket: z.boolean(),
  idleTimeoutSeconds: z.number().positive().exactOptional(),
  proxyProtocol: z.enum(['v1', 'v2']).exactOptional(),
  application: application.exactOptional(),
  ttlSeconds: z.int().min(0).exactOptional(),
})

/** Numbers that the kernel refuses by itself are let through: its answer is an errno. */
export const serverShape = {
  address,
  port,
  forwarding,
  weight: z.int(),
  upperThreshold: z.int(),
  lowerThreshold: z.int(),
  tunnel: z
    .discriminatedUnion('type', [
      z.strictObject({ type: z.literal('ipip') }),
      z.strictObject({ type: z.literal('gre'), checksum: z.enum(['nocsum', 'csum']) }),
      z.strictObject({ type: z.literal('gue'), port, checksum: z.enum(['nocsum', 'csum', 'remcsum']) }),
    ])
    .exactOptional(),
} as const

export const realServerSchema: z.ZodType<RealServer> = z.strictObject(serverShape)

export const timeoutsSchema: z.ZodType<Partial<Timeouts>> = z.strictObject({
  tcp: z.int().exactOptional(),
  tcpFin: z.int().exactOptional(),
  udp: z.int().exactOptional(),
})

const sysctls = Object.fromEntries(sysctlNames.map((name) => [name, z.int().exactOptional()])) as {
  [Name in SysctlName]: z.ZodExactOptional<z.ZodInt>
}

export const settingsSchema: z.ZodType<SettingsChange> = z.strictObject({
  timeouts: timeoutsSchema.exactOptional(),
  sysctls: z.strictObject(sysctls).exactOptional(),
})
