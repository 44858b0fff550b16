/** Asks this machine for everything that `baton status` says. */
import { within } from '../../deadline.ts'
import type { DirectorStatus } from '../../director/control.ts'
import { describeError, isInfraError } from '../../errors.ts'
import { directorStatus, listGuests, type Machine } from './machine.ts'
import { guestJson, type StatusJson, statusJson } from './status.ts'

type CallOptions = { readonly signal: AbortSignal }

/** A director that is alive answers at once; one that is not must not hide the guests for long. */
const directorMs = 5000

export async function readStatus(machine: Machine, options: CallOptions): Promise<StatusJson> {
  const [found, director] = await Promise.all([listGuests(machine, options), askDirector(machine, options)])
  const guests = found.map(({ host, hypervisor, guest }) => guestJson(host, hypervisor.name, guest))
  return statusJson(machine.host.name, guests, director.status, director.problem)
}

/** `problem`: why it could not be asked; both are empty while none runs. */
export async function askDirector(
  machine: Pick<Machine, 'director'>,
  { signal }: CallOptions,
): Promise<{ readonly status: DirectorStatus | undefined; readonly problem: string | null }> {
  try {
    return { status: await directorStatus(machine, { signal: within(signal, directorMs) }), problem: null }
  } catch (error) {
    if (signal.aborted || !isInfraError(error)) throw error
    return { status: undefined, problem: describeError(error) }
  }
}
