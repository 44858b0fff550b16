/** docs/metrics.md, made from the families that the code knows, and those of prom-client. */
import { durationBounds } from '../src/api/metrics/check-tally.ts'
import { families } from '../src/api/metrics/families.ts'
import { openProcessMetrics } from '../src/api/metrics/process.ts'

type Row = { readonly name: string; readonly type: string; readonly labels: readonly string[]; readonly help: string }

export async function metricsPage(): Promise<string> {
  const ofProcess = (await openProcessMetrics().getMetricsAsJSON()).map(({ name, type, help }): Row => {
    return { name, type: String(type), labels: processLabels[name] ?? [], help }
  })
  return [
    '# Metrics',
    '',
    'Made from the code by `npm run docs`. A director tells Prometheus what it measures (text format 0.0.4):',
    '',
    '- on its control socket, always: `curl --unix-socket RUNTIME/director.sock http://director/metrics`;',
    '- over TCP where a file says `directors: { metrics: "127.0.0.1:9600" }`: `/metrics` and nothing else, to everybody who can reach it. Where two',
    '  clusters name two addresses both are served. One that cannot be taken is said by `baton status` and tried again; no service waits for it.',
    '',
    '[packaging/grafana/baton.json](../packaging/grafana/baton.json) is a dashboard for them.',
    '',
    '## What to expect',
    '',
    `- **How many**: a service has up to 14 lines, and for each kind of its checks ${durationBounds.length + 5}; a server has up to 12. Ten thousand services of ten servers,`,
    '  each checked, are 1.4 million lines and 160 MB; a hundred services of ten servers are 14,000 lines and 1.5 MB.',
    '- **Values are those of the moment**: they are read when they are asked for. The text comes in pieces, and others have their turn after every 5 ms;',
    '  what the engine needs to read its whole table comes in addition. Four scrapes are served at once, others are refused (503) until one has ended.',
    '- **Counters never go back** while a daemon lives, also when a server is removed and added again, or counters are zeroed by hand. They begin at',
    '  0 when the daemon does. Of servers that went before they were ever asked for, nothing is known.',
    '- **`cluster` is left out** for what was made by hand, `guest` for a server that is none. `service` is the name in the file; by hand, what `baton status`',
    '  shows. `server` is ADDRESS:PORT.',
    '- Of `state` and `health` only what holds is there, with the value 1: `baton_server_health{health="unhealthy"}` has a sample for each sick server.',
    '',
    '## Of the director, its services and servers',
    '',
    ...table(Object.values(families)),
    '',
    '## Of its process',
    '',
    'From [prom-client](decisions/0006-metrics.md); they begin to count when they are asked for first.',
    '',
    ...table(ofProcess),
    '',
  ].join('\n')
}

function table(rows: readonly Row[]): string[] {
  return [
    '| metric | type | labels | meaning |',
    '| --- | --- | --- | --- |',
    ...rows.map(({ name, type, labels, help }) => {
      const own = type === 'histogram' ? [...labels, 'le'] : labels
      return `| \`${name}\` | ${type} | ${own.map((label) => `\`${label}\``).join(' ')} | ${help.replaceAll('|', '\\|')} |`
    }),
  ]
}

const processLabels: Readonly<Record<string, readonly string[]>> = {
  nodejs_version_info: ['version', 'major', 'minor', 'patch'],
  nodejs_gc_duration_seconds: ['kind'],
  nodejs_heap_space_size_total_bytes: ['space'],
  nodejs_heap_space_size_used_bytes: ['space'],
  nodejs_heap_space_size_available_bytes: ['space'],
}
