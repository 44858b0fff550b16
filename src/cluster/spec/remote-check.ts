/** What directors cannot do on machines other than their own, said at the place that asks for it, before anything is connected. */
import { directingHosts } from './known.ts'
import { defaultHost } from './schema.ts'
import {
  child,
  items,
  members,
  nodeAt,
  problem,
  type Report,
  type SourceMap,
  type SourceNode,
  textOf,
} from './source.ts'

export function checkRemote(root: SourceMap, report: Report): void {
  const hosts = members(child(root, 'hosts')).map(([name]) => name)
  const first = hosts[0] ?? defaultHost.name
  const machineOf = (host: string): string => textOf(nodeAt(root, ['hosts', host, 'ssh'])) ?? 'this machine'
  const directors = directingHosts(root)
  const areApart = new Set(directors.map(machineOf)).size > 1
  for (const [name, { value: pool }] of members(child(root, 'guests'))) {
    const bound = textOf(child(pool, 'host')) ?? (hosts.length > 1 ? undefined : first)
    // A pool without a host is placed only where it can be.
    if (bound === undefined && !areApart) continue
    const elsewhere = directors.find((director) => bound === undefined || machineOf(director) !== machineOf(bound))
    if (elsewhere === undefined) continue
    const where = bound === undefined ? name : `${name} on ${bound}`
    const restart = child(pool, 'restart')
    if (restart !== undefined)
      report(
        problem(
          restart.place,
          `a guest is restarted by the director of its own machine, and ${name} ${bound === undefined ? 'is' : `runs on ${bound},`} directed by ${directors.join(', ')}`,
          'leave restart out, or let that host alone direct',
        ),
      )
    const network = child(pool, 'network')
    if (network !== undefined && textOf(network) !== 'user') continue
    for (const service of servicesOf(root, name))
      report(
        problem(
          service.place,
          `${service.name} is directed by ${elsewhere}, from where the guests of ${where} with network: user cannot be reached`,
          'give them a bridge: network: dhcp, or a fixed address',
        ),
      )
  }
}

/** The places at which services name the pool. */
function servicesOf(root: SourceMap, pool: string): { readonly name: string; readonly place: SourceNode['place'] }[] {
  return members(child(root, 'services')).flatMap(([name, { value }]) =>
    items(child(value, 'servers')).flatMap((server) => {
      const named = child(server, 'guests')
      return named !== undefined && textOf(named) === pool ? [{ name, place: named.place }] : []
    }),
  )
}
