/** Asks this machine for one sample of what `baton top` shows. */
import { performance } from 'node:perf_hooks'
import { isInfraError } from '../../errors.ts'
import type { GuestStatistics } from '../../guests/hypervisor.ts'
import { type FoundGuest, listGuests, type Machine } from '../local/machine.ts'
import { askDirector } from '../local/read-status.ts'
import { statusJson } from '../local/status.ts'
import type { GuestSample, Sample, ServiceSample } from './model.ts'

type CallOptions = { readonly signal: AbortSignal }

export async function readSample(machine: Machine, options: CallOptions): Promise<Sample> {
  const [guests, services] = await Promise.all([readGuests(machine, options), readServices(machine, options)])
  return { atMs: performance.now(), guests, ...services }
}

async function readGuests(machine: Machine, options: CallOptions): Promise<GuestSample[]> {
  const found = await listGuests(machine, options)
  return Promise.all(
    found.map(async (one): Promise<GuestSample> => {
      const { definition, state } = one.guest
      const statistics = await readStatistics(one, options)
      return {
        name: definition.name,
        state,
        memoryBytes: definition.memoryBytes,
        cpuSeconds: statistics?.cpuSeconds,
        residentBytes: statistics?.residentBytes,
      }
    }),
  )
}

/** undefined when it does not run, or has ended since it was listed. */
async function readStatistics(
  { hypervisor, guest }: FoundGuest,
  options: CallOptions,
): Promise<GuestStatistics | undefined> {
  if (guest.state !== 'running' && guest.state !== 'paused') return undefined
  try {
    return await hypervisor.statistics(guest.definition.name, options)
  } catch (error) {
    if (isInfraError(error, 'not-found') || isInfraError(error, 'invalid')) return undefined
    throw error
  }
}

async function readServices(machine: Machine, options: CallOptions): Promise<Pick<Sample, 'services' | 'problem'>> {
  const { status, problem } = await askDirector(machine, options)
  if (status === undefined) return { services: [], problem: problem ?? 'no director runs' }
  const { services } = statusJson(machine.host.name, [], status)
  return { services: services.map(serviceSample), problem: status.problems[0] }
}

function serviceSample(service: ReturnType<typeof statusJson>['services'][number]): ServiceSample {
  return {
    name: service.name,
    address: service.address,
    scheduler: service.scheduler,
    connections: service.counters.connections,
    bytes: service.counters.bytesIn + service.counters.bytesOut,
    servers: service.servers.map((server) => ({
      address: server.address,
      guest: server.guest,
      weight: server.weight,
      health: server.health,
      drained: server.drained,
      active: server.active,
      inactive: server.inactive,
      connections: server.connections,
      bytes: server.counters.bytesIn + server.counters.bytesOut,
    })),
  }
}
