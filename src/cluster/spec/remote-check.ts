/** What hosts over SSH cannot do yet, said at the place that asks for it, before anything is connected. */
import { defaultHost } from './schema.ts'
import { child, items, members, nodeAt, problem, type Report, type SourceMap, textOf } from './source.ts'

export function checkRemote(root: SourceMap, report: Report): void {
  const hosts = members(child(root, 'hosts')).map(([name]) => name)
  const first = hosts[0] ?? defaultHost.name
  const isRemote = (host: string): boolean => nodeAt(root, ['hosts', host, 'ssh']) !== undefined
  const director = textOf(items(nodeAt(root, ['directors', 'hosts']))[0]) ?? first
  for (const [name, { value }] of members(child(root, 'guests'))) {
    const written = textOf(child(value, 'host'))
    // A pool without a host is placed only where it can be.
    if (written === undefined && hosts.length > 1) continue
    const host = written ?? first
    if (!isRemote(host)) continue
    const restart = child(value, 'restart')
    if (restart !== undefined && host !== director)
      report(
        problem(
          restart.place,
          `a guest is restarted by the director of its own machine, and ${name} runs on ${host}, directed by ${director}`,
          'leave restart out, or let that host direct',
        ),
      )
    const network = child(value, 'network')
    if (host === director || (network !== undefined && textOf(network) !== 'user')) continue
    for (const [service, { value: written }] of members(child(root, 'services')))
      for (const server of items(child(written, 'servers'))) {
        const pool = child(server, 'guests')
        if (pool === undefined || textOf(pool) !== name) continue
        const message = `${service} is directed by ${director}, from where the guests of ${name} on ${host} with network: user cannot be reached`
        report(problem(pool.place, message, 'give them a bridge: network: dhcp, or a fixed address'))
      }
  }
}
