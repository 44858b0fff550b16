/** What the control API's routes take, and the OpenAPI document that says so. */
import * as z from 'zod'
import { editRequestSchema, tableRequestSchema } from '../director/edit-schemas.ts'
import {
  checkNowSchema,
  clusterServicesSchema,
  drainTargetSchema,
  eventsRequestSchema,
  handOverSchema,
  reachSchema,
  stopRequestSchema,
  traceRequestSchema,
} from '../director/schemas.ts'
import { version } from '../version.ts'
import { type Route, type RouteName, routes } from './routes.ts'
import { infraCodes, type WireError } from './wire-error.ts'

const errorSchema: z.ZodType<WireError> = z.strictObject({
  code: z.enum(infraCodes),
  message: z.string(),
  subject: z.string(),
  retryable: z.boolean(),
  hint: z.string().exactOptional(),
})

const bodies: Readonly<Partial<Record<RouteName, z.ZodType>>> = {
  putCluster: clusterServicesSchema,
  drain: drainTargetSchema,
  undrain: drainTargetSchema,
  moveGuest: reachSchema,
  edit: editRequestSchema,
  table: tableRequestSchema,
  checkNow: checkNowSchema,
  stop: stopRequestSchema,
  handOver: handOverSchema,
  trace: traceRequestSchema,
}

const queries: Readonly<Partial<Record<RouteName, z.ZodType>>> = { events: eventsRequestSchema }

/** Of routes that answer with something else than JSON. */
const answerTypes: Readonly<Partial<Record<RouteName, string>>> = {
  events: 'text/event-stream',
  connections: 'application/x-ndjson',
  metrics: 'text/plain',
}

/** OpenAPI 3.1, derived from the routes, so that it cannot lag behind them. */
export function openApiDocument(): unknown {
  const paths: Record<string, Record<string, unknown>> = {}
  for (const [operationId, route] of Object.entries<Route>(routes)) {
    const body = bodies[operationId as RouteName]
    const inPath = [...route.path.matchAll(/:(\w+)/g)].map(([, name]) => ({
      name,
      in: 'path',
      required: true,
      schema: { type: 'string' },
    }))
    const parameters = [...inPath, ...queryParameters(queries[operationId as RouteName])]
    const answerType = answerTypes[operationId as RouteName]
    const done = answerType === undefined ? {} : { content: { [answerType]: { schema: { type: 'string' } } } }
    const path = route.path.replace(/:(\w+)/g, '{$1}')
    const failure = {
      description: 'What went wrong',
      content: { 'application/json': { schema: z.toJSONSchema(errorSchema) } },
    }
    paths[path] = {
      ...paths[path],
      [route.method.toLowerCase()]: {
        operationId,
        summary: route.summary,
        ...(parameters.length === 0 ? {} : { parameters }),
        ...(body === undefined
          ? {}
          : {
              requestBody: {
                required: !body.safeParse(undefined).success,
                content: { 'application/json': { schema: z.toJSONSchema(body, { io: 'input' }) } },
              },
            }),
        responses: { '200': { description: 'Done', ...done }, default: failure },
      },
    }
  }
  return { openapi: '3.1.0', info: { title: 'Baton director', version }, paths }
}

function queryParameters(schema: z.ZodType | undefined): object[] {
  if (schema === undefined) return []
  const { properties = {} } = z.toJSONSchema(schema, { io: 'input' })
  return Object.entries(properties).map(([name, value]) => ({ name, in: 'query', required: false, schema: value }))
}
