/** The control API's routes as data: no schemas, so that a client that only asks starts quickly. */

export type Route = {
  readonly method: 'GET' | 'PUT' | 'POST' | 'DELETE'
  /** With `:name` parameters. */
  readonly path: string
  readonly summary: string
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
  },
  removeCluster: { method: 'DELETE', path: '/v1/clusters/:name', summary: "Take the cluster's services away" },
  drain: {
    method: 'POST',
    path: '/v1/drains',
    summary: 'No new connections for a guest or an endpoint',
  },
  undrain: { method: 'DELETE', path: '/v1/drains', summary: 'Undo a drain' },
  moveGuest: {
    method: 'PUT',
    path: '/v1/guests/:name/reach',
    summary: 'A guest is reached elsewhere now',
  },
  connections: { method: 'GET', path: '/v1/connections', summary: 'The connections that stand now, one in a line' },
  edit: {
    method: 'POST',
    path: '/v1/edits',
    summary: 'Edits by hand, each answered by itself as the kernel answers',
  },
  table: {
    method: 'POST',
    path: '/v1/table',
    summary: 'The table as the engine holds it; `only` these services, where they exist',
  },
  trace: {
    method: 'POST',
    path: '/v1/trace',
    summary: "Where a client's packet would go, and why; nothing is sent, and nothing changes",
  },
  checkNow: {
    method: 'POST',
    path: '/v1/checks',
    summary: 'Probe the servers of a service once, now',
  },
  handOver: {
    method: 'POST',
    path: '/v1/handover',
    summary: 'Leave the addresses of virtual routers to another director, or take them back',
  },
  events: {
    method: 'GET',
    path: '/v1/events',
    summary: 'What happens, as server-sent events; those after `after` first, as far as they are kept',
  },
  stop: {
    method: 'POST',
    path: '/v1/stop',
    summary: 'End the daemon and its supervisor; with `keep` traffic goes on, where the engine can do that',
  },
  metrics: { method: 'GET', path: '/metrics', summary: 'Everything that is measured, as Prometheus reads it' },
  openapi: { method: 'GET', path: '/v1/openapi.json', summary: 'This document' },
} as const satisfies Readonly<Record<string, Route>>

export type RouteName = keyof typeof routes
