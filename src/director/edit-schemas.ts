/** Edits by hand as they cross the control socket and are kept in the journal. */
import * as z from 'zod'
import type { SyncDaemon, Synchronisation, TableEdit } from '../lvs/edit.ts'
import type { TellingRules } from '../lvs/telling.ts'
import { address, port, realServerSchema, serviceIdSchema, serviceSchema, timeoutsSchema } from './service-schemas.ts'

const role = z.enum(['master', 'backup'])

const rules: z.ZodType<TellingRules> = z.strictObject({
  threshold: z.int().min(0),
  period: z.int().min(0),
  refreshSeconds: z.number().min(0),
  retries: z.int().min(0).max(3),
  persistentOnly: z.boolean(),
})

const sides = {
  interface: z.string(),
  syncId: z.int(),
  maxLength: z.int().exactOptional(),
  group: z.string(),
  port,
  ttl: z.int(),
  keyFile: z.string().min(1).exactOptional(),
  rules: rules.exactOptional(),
}

export const synchronisationSchema: z.ZodType<Synchronisation> = z.strictObject(sides)
const daemon: z.ZodType<SyncDaemon> = z.strictObject({ role, ...sides })

const edit: z.ZodType<TableEdit> = z.discriminatedUnion('kind', [
  z.strictObject({ kind: z.enum(['service.add', 'service.edit']), service: serviceSchema }),
  z.strictObject({ kind: z.literal('service.delete'), id: serviceIdSchema }),
  z.strictObject({ kind: z.enum(['server.add', 'server.edit']), id: serviceIdSchema, server: realServerSchema }),
  z.strictObject({ kind: z.literal('server.delete'), id: serviceIdSchema, server: z.object({ address, port }) }),
  z.strictObject({ kind: z.literal('flush') }),
  z.strictObject({ kind: z.literal('zero'), id: serviceIdSchema.exactOptional() }),
  z.strictObject({ kind: z.literal('timeouts'), timeouts: timeoutsSchema }),
  z.strictObject({ kind: z.literal('daemon.start'), daemon }),
  z.strictObject({ kind: z.literal('daemon.stop'), role }),
])

export const editsSchema: z.ZodType<readonly TableEdit[]> = z.array(edit)
export const editRequestSchema = z.strictObject({ edits: editsSchema })
export const tableRequestSchema = z.strictObject({ only: z.array(serviceIdSchema).exactOptional() })
