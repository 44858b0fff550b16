/** A guest is asked to power off; whoever may, ends the one that does not in time. */
import { within } from '../deadline.ts'
import { isInfraError } from '../errors.ts'
import type { CallOptions, Hypervisor } from './hypervisor.ts'

/** How long the end of a guest may take that is not asked. */
const destroyMs = 60_000

export type Patience = CallOptions & {
  readonly patienceMs: number
  /** It is still on, and is ended now. */
  readonly onLate: () => void
}

/** @throws InfraError as `shutdown` does, but never `timeout` by `patienceMs`: then the guest is ended at once. */
export async function shutdownOrDestroy(
  hypervisor: Pick<Hypervisor, 'shutdown' | 'destroy'>,
  guest: string,
  { signal, patienceMs, onLate }: Patience,
): Promise<void> {
  try {
    await hypervisor.shutdown(guest, { signal: within(signal, patienceMs) })
  } catch (error) {
    if (signal.aborted || !isInfraError(error, 'timeout')) throw error
    onLate()
    await hypervisor.destroy(guest, { signal: within(signal, destroyMs) })
  }
}
