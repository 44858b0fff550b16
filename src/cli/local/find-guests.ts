/** Where the guests of this machine are, for a director that follows them. */
import type { GuestPlace } from '../../director/following.ts'
import { listGuests, openMachine } from './machine.ts'

/** Those that run and have an address of their own. @throws InfraError of their hypervisors. */
export async function findGuests(options: { readonly signal: AbortSignal }): Promise<readonly GuestPlace[]> {
  await using machine = await openMachine(options)
  return (await listGuests(machine, options)).flatMap(({ guest }): GuestPlace[] => {
    const { name, mark } = guest.definition
    const addresses = guest.addresses ?? (guest.address === undefined ? [] : [guest.address])
    return mark === undefined || guest.state !== 'running' ? [] : [{ cluster: mark.cluster, guest: name, addresses }]
  })
}
