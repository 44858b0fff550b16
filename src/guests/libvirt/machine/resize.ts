/** Other sizes: at once where the machine that runs has room for it, else at its next start. */
import { isInfraError } from '../../../errors.ts'

import type { CallOptions } from '../../hypervisor.ts'
import type { MachineSize, Takes } from '../../machine.ts'
import type { Connection } from '../connection.ts'
import type { Known } from '../observe.ts'

/** virDomainModificationImpact; virDomainMemoryModFlags and virDomainVcpuFlags: the most that it can have. */
const affect = { live: 1, config: 2, maximum: 4 } as const

export async function resizeGuest(
  connection: Connection,
  { domain, isActive }: Known,
  { memoryBytes, vcpus }: MachineSize,
  options: CallOptions,
): Promise<Takes> {
  const takes: Takes[] = []
  if (memoryBytes !== undefined) {
    const kib = BigInt(Math.ceil(memoryBytes / 1024))
    const set = (flags: number): Promise<unknown> =>
      connection.call('domainSetMemoryFlags', [domain, kib, flags], options)
    takes.push(await change(isActive, set))
  }
  if (vcpus !== undefined) {
    const set = (flags: number): Promise<unknown> =>
      connection.call('domainSetVcpusFlags', [domain, vcpus, flags], options)
    takes.push(await change(isActive, set))
  }
  return takes.includes('next-start') ? 'next-start' : 'now'
}

/** Less than there is before the most is lowered, more only after it was raised: one of the two orders always goes. */
async function change(isActive: boolean, set: (flags: number) => Promise<unknown>): Promise<Takes> {
  const takes = isActive ? await tryLive(set) : 'now'
  try {
    await set(affect.config)
    await set(affect.config | affect.maximum)
  } catch (error) {
    if (!isInfraError(error, 'invalid')) throw error
    await set(affect.config | affect.maximum)
    await set(affect.config)
  }
  return takes
}

/** More than the machine was started with, or less processors than it has, is for its next start. */
async function tryLive(set: (flags: number) => Promise<unknown>): Promise<Takes> {
  try {
    await set(affect.live)
    return 'now'
  } catch (error) {
    if (isInfraError(error, 'invalid') || isInfraError(error, 'unsupported') || isInfraError(error, 'failed'))
      return 'next-start'
    throw error
  }
}
