/** The control API's routes as data: what each takes, and the OpenAPI document that says so. */
import { z } from 'zod'
import { editRequestSchema, tableRequestSchema } from '../director/edit-schemas.ts'
import { checkNowSchema, clusterServicesSchema, drainTargetSchema, reachSchema } from '../director/schemas.ts'
import type { InfraCode } from '../errors.ts'
import { version } from '../version.ts'

const infraCodes = [
  'not-found', 'already-exists', 'permission', 'busy', 'timeout', 'cancelled', 'unreachable', 'missing-tool',
  'unsupported', 'invalid', 'no-space', 'failed',
] as const satisfies readonly InfraCode[] // biome-ignore format: a list to read at a glance

/** An InfraError on its way over the wire. */
export const errorSchema = z.strictObject({
  code: z.enum(infraCodes),
  message: z.string(),
  subject: z.string(),
  retryable: z.boolean(),
  hint: z.string().exactOptional(),
})

export type Route = {
  readonly method: 'GET' | 'PUT' | 'POST' | 'DELETE'
  /** With `:name` parameters. */
  readonly path: string
  readonly summary: string
  readonly body?: z.ZodType
}

export const routes = {
  status: {
    method: 'GET',
    path: '/v1/status',
    summary: 'Everything the director knows: services, servers, health, counters',
  },
  putCluster: {
    method: 'PUT',
    path: '/v1/clusters/:name',
    summary: "Make these the cluster's services",
    body: clusterServicesSchema,
  },
  removeCluster: { method: 'DELETE', path: '/v1/clusters/:name', summary: "Take the cluster's services away" },
  drain: {
    method: 'POST',
    path: '/v1/drains',
    summary: 'No new connections for a guest or an endpoint',
    body: drainTargetSchema,
  },
  undrain: { method: 'DELETE', path: '/v1/drains', summary: 'Undo a drain', body: drainTargetSchema },
  moveGuest: {
    method: 'PUT',
    path: '/v1/guests/:name/reach',
    summary: 'A guest is reached elsewhere now',
    body: reachSchema,
  },
  connections: { method: 'GET', path: '/v1/connections', summary: 'The connections that stand now' },
  edit: {
    method: 'POST',
    path: '/v1/edits',
    summary: 'Edits by hand, each answered by itself as the kernel answers',
    body: editRequestSchema,
  },
  table: {
    method: 'POST',
    path: '/v1/table',
    summary: 'The table as the engine holds it; `only` these services, where they exist',
    body: tableRequestSchema,
  },
  checkNow: {
    method: 'POST',
    path: '/v1/checks',
    summary: 'Probe the servers of a service once, now',
    body: checkNowSchema,
  },
  stop: { method: 'POST', path: '/v1/stop', summary: 'End the daemon and its supervisor' },
  openapi: { method: 'GET', path: '/v1/openapi.json', summary: 'This document' },
} as const satisfies Readonly<Record<string, Route>>

/** OpenAPI 3.1, derived from the routes, so that it cannot lag behind them. */
export function openApiDocument(): unknown {
  const paths: Record<string, Record<string, unknown>> = {}
  for (const [operationId, route] of Object.entries<Route>(routes)) {
    const parameters = [...route.path.matchAll(/:(\w+)/g)].map(([, name]) => ({
      name,
      in: 'path',
      required: true,
      schema: { type: 'string' },
    }))
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
        ...(route.body === undefined
          ? {}
          : {
              requestBody: { required: true, content: { 'application/json': { schema: z.toJSONSchema(route.body) } } },
            }),
        responses: { '200': { description: 'Done' }, default: failure },
      },
    }
  }
  return { openapi: '3.1.0', info: { title: 'Baton director', version }, paths }
}
