/** Whether this machine can carry a spec: memory, hypervisors, networks, and addresses that are free or already ours. */

import { directorClient } from '../../api/client.ts'
import type { Diagnostic } from '../../cluster/spec/diagnostic.ts'
import { checkAgainstHost } from '../../cluster/spec/facts.ts'
import { boundHost, type ClusterSpec } from '../../cluster/spec/model.ts'
import type { ParsedSpec, PlaceLookup } from '../../cluster/spec/parse.ts'
import type { DirectorStatus } from '../../director/control.ts'
import { throwIfCutsOff } from '../../engines/ebpf/own-session.ts'
import { throwIfUnprivileged } from '../../engines/ebpf/program.ts'
import { isInfraError } from '../../errors.ts'
import type { HypervisorInfo } from '../../guests/hypervisor.ts'
import { openHypervisor } from '../../guests/open.ts'
import { localHost } from '../../hosts/local/local.ts'
import { formatEndpoint } from '../../lvs/service.ts'
import { whyNotFree } from './free-address.ts'
import { directorStatus } from './machine.ts'

/** The first time, a guest is run to see what this machine can do. */
export const machineMs = 60_000

type CallOptions = { readonly signal: AbortSignal }

export async function checkMachine(
  { places }: Pick<ParsedSpec, 'places'>,
  spec: ClusterSpec,
  options: CallOptions,
): Promise<Diagnostic[]> {
  const facts = await localHost().facts(options)
  const capacity = Object.fromEntries(here(spec).map(({ name }) => [name, facts]))
  const director = await directorStatus({ director: directorClient(localHost()) }, options)
  const found = await Promise.all([checkHypervisors(places, spec, options), checkAddresses(places, spec, director)])
  return [...checkAgainstHost(spec, places, capacity), ...checkEngine(places, spec, director), ...found.flat()]
}

/** Other hosts are looked at by `baton host check`. */
function here({ hosts }: ClusterSpec): ClusterSpec['hosts'][string][] {
  return Object.values(hosts).filter(({ ssh }) => ssh === undefined)
}

/** One that runs has been told where it may take packets. */
function checkEngine(
  places: PlaceLookup,
  { directors }: ClusterSpec,
  director: DirectorStatus | undefined,
): Diagnostic[] {
  if (directors.engine !== 'ebpf') return []
  try {
    throwIfUnprivileged()
    if (director?.engine !== 'ebpf') throwIfCutsOff(directors.ebpf ?? {})
    return []
  } catch (error) {
    if (!isInfraError(error, 'permission') && !isInfraError(error, 'unsupported')) throw error
    return [problemAt(places, ['directors', 'engine'], error.message, error.hint)]
  }
}

async function checkHypervisors(places: PlaceLookup, spec: ClusterSpec, options: CallOptions): Promise<Diagnostic[]> {
  const found = await Promise.all(
    here(spec).map(async ({ name, hypervisor }): Promise<Diagnostic[]> => {
      const pools = Object.values(spec.guests).filter((pool) => boundHost(spec, pool) === name)
      if (pools.length === 0) return []
      const info = await hypervisorInfo(hypervisor, options)
      if ('missing' in info) return [problemAt(places, ['hosts', name, 'hypervisor'], info.missing, info.hint)]
      return pools
        .filter(({ network }) => !info.networks.includes(network.kind))
        .map((pool) =>
          problemAt(
            places,
            ['guests', pool.name, 'network'],
            `${hypervisor} cannot give guests a ${pool.network.kind} network here`,
            `it can: ${info.networks.join(', ')}; a bridge needs root`,
          ),
        )
    }),
  )
  return found.flat()
}

async function hypervisorInfo(
  name: ClusterSpec['hosts'][string]['hypervisor'],
  options: CallOptions,
): Promise<HypervisorInfo | { readonly missing: string; readonly hint: string | undefined }> {
  await using hypervisor = openHypervisor(name, localHost())
  try {
    return await hypervisor.info(options)
  } catch (error) {
    if (isInfraError(error, 'missing-tool') || isInfraError(error, 'unsupported'))
      return { missing: error.message, hint: error.hint }
    throw error
  }
}

/** An address that our director serves already is ours, one of a bridge that Baton makes will be; the fake engine listens nowhere. */
async function checkAddresses(
  places: PlaceLookup,
  spec: ClusterSpec,
  director: DirectorStatus | undefined,
): Promise<Diagnostic[]> {
  const isHere = spec.directors.hosts.some((name) => spec.hosts[name]?.ssh === undefined)
  if (spec.directors.engine === 'fake' || !isHere) return []
  const ours = servedAddresses(director)
  const ofBridges = Object.values(spec.hosts).map(({ bridgeAddress }) => bridgeAddress?.split('/')[0])
  const found = await Promise.all(
    Object.values(spec.services).map(async ({ name, service: { id } }): Promise<Diagnostic[]> => {
      if (id.kind !== 'address' || ours.has(`${id.protocol} ${formatEndpoint(id)}`)) return []
      const reason = await whyNotFree(id)
      if (reason?.isElsewhere === true && ofBridges.includes(id.address)) return []
      return reason === undefined ? [] : [problemAt(places, ['services', name, 'address'], reason.message, reason.hint)]
    }),
  )
  return found.flat()
}

function servedAddresses(director: DirectorStatus | undefined): ReadonlySet<string> {
  return new Set(
    (director?.services ?? []).flatMap(({ service: { id } }) =>
      id.kind === 'address' ? [`${id.protocol} ${formatEndpoint(id)}`] : [],
    ),
  )
}

function problemAt(
  places: PlaceLookup,
  path: readonly string[],
  message: string,
  hint: string | undefined,
): Diagnostic {
  return { severity: 'error', ...places(path), message, ...(hint === undefined ? {} : { hint }) }
}
