/** Every metric of our own: its name, type, labels and meaning, written down here and nowhere else. */

export type Family = {
  readonly name: string
  readonly type: 'counter' | 'gauge' | 'histogram'
  readonly labels: readonly string[]
  readonly help: string
}

const service = ['cluster', 'service'] as const
const server = [...service, 'server', 'guest'] as const

const gauge = (name: string, labels: readonly string[], help: string): Family => ({ name, type: 'gauge', labels, help })
const counter = (name: string, labels: readonly string[], help: string): Family => ({
  name,
  type: 'counter',
  labels,
  help,
})

export const families = {
  buildInfo: gauge('baton_build_info', ['version', 'node', 'engine'], 'Always 1: which Baton, Node and engine it is.'),
  restarts: counter('baton_director_restarts_total', [], 'How often the supervisor had to start the daemon again.'),
  problems: gauge('baton_director_problems', [], 'What stands against what is wanted now, as baton status says it.'),
  reloads: counter('baton_reloads_total', ['cluster', 'result'], 'Clusters that were put: taken or refused.'),
  reloadedAt: gauge(
    'baton_reload_last_success_timestamp_seconds',
    ['cluster'],
    'When the cluster was last taken, as Unix time.',
  ),
  rounds: counter('baton_reconcile_rounds_total', [], 'How often the engine was compared with what is wanted.'),
  roundFailures: counter('baton_reconcile_failures_total', [], 'How many of these rounds left something undone.'),
  engineReports: counter(
    'baton_engine_reports_total',
    ['kind'],
    'What the engine has said unasked: trouble, well, fault.',
  ),
  events: counter('baton_events_total', ['kind'], 'Events, but for results of checks.'),
  eventsLost: counter('baton_events_lost_total', ['to'], 'Events that a listener or a sink was not told of.'),
  deliveries: counter(
    'baton_notify_deliveries_total',
    ['cluster', 'sink', 'result'],
    'Tries to tell a webhook or a command: delivered, failed, and events that were given up.',
  ),
  syncDatagrams: counter(
    'baton_sync_datagrams_total',
    ['role'],
    'Datagrams that the master sent, or the backup let in.',
  ),
  syncRecords: counter('baton_sync_records_total', ['role'], 'Connections that were told to backups, or taken over.'),
  syncLost: counter(
    'baton_sync_lost_total',
    ['reason'],
    'What a master could not tell: connections (dropped), datagrams (unsent).',
  ),
  syncRefused: counter('baton_sync_refused_total', ['reason'], 'Datagrams that a backup has left aside.'),
  syncRecordsRefused: counter('baton_sync_records_refused_total', ['reason'], 'Records that a backup has left aside.'),
  lateChecks: counter('baton_checks_late_total', [], 'Checks that began later than their interval allows.'),
  checkResults: counter(
    'baton_check_results_total',
    [...service, 'kind', 'result'],
    'Results of checks: passed, failed.',
  ),
  checkDuration: {
    name: 'baton_check_duration_seconds',
    type: 'histogram',
    labels: [...service, 'kind'],
    help: 'How long checks took.',
  },
  serviceState: gauge(
    'baton_service_state',
    [...service, 'state'],
    'Always 1: who takes the connections. Only the state that holds is there.',
  ),
  serviceServers: gauge('baton_service_servers', [...service, 'health'], 'How many servers have this health.'),
  serviceActive: gauge('baton_service_active_connections', service, 'Connections that carry traffic now.'),
  serviceInactive: gauge(
    'baton_service_inactive_connections',
    service,
    'Connections that are closing, or have no state.',
  ),
  serviceConnections: counter('baton_service_connections_total', service, 'Connections that were taken.'),
  servicePacketsIn: counter('baton_service_packets_in_total', service, 'Packets from clients.'),
  servicePacketsOut: counter('baton_service_packets_out_total', service, 'Packets to clients.'),
  serviceBytesIn: counter('baton_service_bytes_in_total', service, 'Bytes from clients.'),
  serviceBytesOut: counter('baton_service_bytes_out_total', service, 'Bytes to clients.'),
  serverUp: gauge('baton_server_up', server, '1 when its checks pass or it has none, else 0.'),
  serverHealth: gauge(
    'baton_server_health',
    [...server, 'health'],
    'Always 1: what its checks say. Only the health that holds is there.',
  ),
  serverDrained: gauge('baton_server_drained', server, '1 when it was drained by hand, else 0.'),
  serverWeight: gauge('baton_server_weight', server, 'Its weight in the engine; absent while it is out of the table.'),
  serverWantedWeight: gauge('baton_server_wanted_weight', server, 'Its weight as it is wanted.'),
  serverActive: gauge('baton_server_active_connections', server, 'Connections that carry traffic now.'),
  serverInactive: gauge('baton_server_inactive_connections', server, 'Connections that are closing, or have no state.'),
  serverConnections: counter('baton_server_connections_total', server, 'Connections that it was given.'),
  serverBytesIn: counter('baton_server_bytes_in_total', server, 'Bytes from clients to it.'),
  serverBytesOut: counter('baton_server_bytes_out_total', server, 'Bytes from it to clients.'),
  serverFailures: counter(
    'baton_server_connect_failures_total',
    server,
    'Connections that went to another server because it could not be reached; only of engines that connect.',
  ),
  serverCertificate: gauge(
    'baton_server_certificate_remaining_seconds',
    server,
    'Until its certificate ends, in whole days, negative since; only where a check sees one.',
  ),
} as const satisfies Readonly<Record<string, Family>>
