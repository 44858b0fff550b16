/** Whether the hosts can carry the spec: memory and processors that a host does not have, at the value that asks for them. */
import type { HostFacts } from '../../hosts/host.ts'
import type { Diagnostic } from './diagnostic.ts'
import { boundHost, type ClusterSpec, type GuestPoolSpec } from './model.ts'
import type { PlaceLookup } from './parse.ts'
import { formatSize } from './size.ts'
import { problem, warning } from './source.ts'

export type HostCapacity = Pick<HostFacts, 'memoryBytes' | 'cpus'>

/**
 * `facts` by host name; hosts that are not in it could not be asked and are passed over. Hosts with the fake hypervisor
 * carry anything. Too little memory is an error, too few processors a warning: guests can share those.
 */
export function checkAgainstHost(
  spec: ClusterSpec,
  places: PlaceLookup,
  facts: Readonly<Record<string, HostCapacity>>,
): Diagnostic[] {
  return Object.values(spec.hosts).flatMap((host) => {
    const capacity = Object.hasOwn(facts, host.name) ? facts[host.name] : undefined
    if (capacity === undefined || host.hypervisor === 'fake') return []
    const pools = Object.values(spec.guests).filter((pool) => boundHost(spec, pool) === host.name)
    return [...checkMemory(host.name, pools, capacity, places), ...checkProcessors(host.name, pools, capacity, places)]
  })
}

function checkMemory(
  host: string,
  pools: readonly GuestPoolSpec[],
  has: HostCapacity,
  places: PlaceLookup,
): Diagnostic[] {
  const hint = `the host ${host} has ${readable(has.memoryBytes)}`
  const tooBig = pools.filter(({ memoryBytes, count }) => memoryBytes > has.memoryBytes && count !== 0)
  if (tooBig.length > 0)
    return tooBig.map(({ name, memoryBytes }) => {
      const message = `one guest of ${name} needs ${formatSize(memoryBytes)} of memory, more than its host has`
      return problem(places(['guests', name, 'memory']), message, hint)
    })
  let sum = 0
  for (const { name, memoryBytes, count = 1 } of pools) {
    sum += memoryBytes * count
    if (sum <= has.memoryBytes) continue
    const total = pools.reduce((sum, pool) => sum + pool.memoryBytes * (pool.count ?? 1), 0)
    const message = `the guests on ${host} need ${readable(total)} of memory together, more than it has`
    return [problem(places(['guests', name, 'memory']), message, hint)]
  }
  return []
}

function checkProcessors(
  host: string,
  pools: readonly GuestPoolSpec[],
  has: HostCapacity,
  places: PlaceLookup,
): Diagnostic[] {
  return pools
    .filter(({ vcpus }) => vcpus > has.cpus)
    .map(({ name, vcpus }) => {
      const message = `a guest of ${name} has ${vcpus} virtual processors, the host ${host} only ${has.cpus} real ones`
      return warning(places(['guests', name, 'vcpus']), message, 'it runs, but not faster than with fewer')
    })
}

/** A host's memory is rarely a whole number of GiB: one decimal is enough for people. */
function readable(bytes: number): string {
  const gibibytes = bytes / 1024 ** 3
  return gibibytes >= 1 ? `${Math.round(gibibytes * 10) / 10}G` : `${Math.round(bytes / 1024 ** 2)}M`
}
