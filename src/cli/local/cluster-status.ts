/** What `baton status FILE` says: every machine of a cluster, its guests and its director, those that cannot be reached included. */
import { openSites, type Site } from '../../cluster/site.ts'
import type { ClusterSpec, HostSpec } from '../../cluster/spec/model.ts'
import { within } from '../../deadline.ts'
import { describeError, InfraError } from '../../errors.ts'
import { listGuests } from './machine.ts'
import { askDirector } from './read-status.ts'
import { guestJson, ofCluster, type StatusJson, statusJson } from './status.ts'

type CallOptions = { readonly signal: AbortSignal }

export type MachineStatusJson = StatusJson & {
  /** The hosts of the file that it is. */
  readonly hosts: readonly string[]
  /** Whether one of them directs by the file. */
  readonly directs: boolean
  /** Why it could not be asked at all; nothing is known of it then. */
  readonly unreachable: string | null
}

export type ClusterStatusJson = { readonly cluster: string; readonly machines: readonly MachineStatusJson[] }

/** One that does not answer must not hide the others for long. */
const machineMs = 15_000

type Read<T> = (options: CallOptions) => Promise<T>

/** All machines are asked side by side. Connections are kept from one time to the next; those that broke are made anew. */
export function clusterStatusReader(spec: ClusterSpec): Read<ClusterStatusJson> {
  const machines = [...machinesOf(spec)].map((hosts) => machineReader(spec, hosts))
  return async ({ signal }) => ({
    cluster: spec.name,
    machines: await Promise.all(machines.map((read) => read({ signal: within(signal, machineMs) }))),
  })
}

export function hasProblem({ machines }: ClusterStatusJson): boolean {
  return machines.some(({ problem, unreachable }) => problem !== null || unreachable !== null)
}

type Named = Readonly<Record<string, HostSpec>>

/** In the file's order. */
function machinesOf({ hosts }: ClusterSpec): Iterable<Named> {
  const machines = new Map<string | undefined, Record<string, HostSpec>>()
  for (const [name, host] of Object.entries(hosts)) machines.set(host.ssh, { ...machines.get(host.ssh), [name]: host })
  return machines.values()
}

function machineReader(spec: ClusterSpec, hosts: Named): Read<MachineStatusJson> {
  const names = Object.keys(hosts)
  const about = { hosts: names, directs: names.some((name) => spec.directors.hosts.includes(name)) }
  let open: readonly Site[] | undefined
  return async (options) => {
    try {
      open ??= [...(await openSites({ hosts }, options)).values()]
      return { ...(await readSites(spec, open, options)), ...about, unreachable: null }
    } catch (error) {
      if (!(error instanceof InfraError)) throw error
      open = undefined
      return { ...statusJson('', [], undefined), ...about, unreachable: describeError(error) }
    }
  }
}

/** Of one machine, so that they have one director. */
async function readSites(spec: ClusterSpec, sites: readonly Site[], options: CallOptions): Promise<StatusJson> {
  const [first] = sites
  if (first === undefined) return statusJson('', [], undefined)
  const places = sites.map(({ name, hypervisor }) => ({ host: name, hypervisor }))
  const [found, director] = await Promise.all([
    listGuests({ places }, options),
    askDirector({ director: first.director.control }, options),
  ])
  const guests = found.map(({ host, hypervisor, guest }) => guestJson(host, hypervisor.name, guest))
  return ofCluster(statusJson(first.name, guests, director.status, director.problem), spec.name)
}
