/** Ends a guest of this machine that does not serve any more, and starts it again. */
import type { Restarted } from '../../director/restarts/restarts.ts'
import { listGuests, openMachine } from './machine.ts'

/** One that somebody has stopped, paused or saved is left as it is. @throws InfraError of its hypervisor. */
export async function restartGuest(
  guest: string,
  cluster: string,
  options: { readonly signal: AbortSignal },
): Promise<Restarted> {
  await using machine = await openMachine(options)
  const isMeant = ({ name, mark }: { readonly name: string; readonly mark?: { readonly cluster: string } }): boolean =>
    name === guest && mark?.cluster === cluster
  const found = (await listGuests(machine, options)).find((one) => isMeant(one.guest.definition))
  if (found === undefined) return { kind: 'passed', reason: 'it is not on this machine' }
  const { state } = found.guest
  if (state !== 'running' && state !== 'crashed') return { kind: 'passed', reason: `it is ${state}` }
  const { hypervisor } = found
  await hypervisor.destroy(guest, options)
  await hypervisor.start(guest, options)
  const now = (await hypervisor.list(options)).find(({ definition }) => isMeant(definition))
  const reach = now?.reach ?? []
  return { kind: 'restarted', reach: reach.map(({ guestPort, address, port }) => ({ guestPort, address, port })) }
}
