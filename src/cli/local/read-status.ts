/** Asks this machine for everything that `baton status` says. */
import { directorStatus, listGuests, type Machine } from './machine.ts'
import { guestJson, type StatusJson, statusJson } from './status.ts'

export async function readStatus(machine: Machine, options: { readonly signal: AbortSignal }): Promise<StatusJson> {
  const [found, director] = await Promise.all([listGuests(machine, options), directorStatus(machine, options)])
  const { name } = machine.host
  const guests = found.map(({ host, hypervisor, guest }) => guestJson(host, hypervisor.name, guest))
  return statusJson(name, guests, director)
}
