/** This machine as the commands see it: its hypervisors' guests, and its director if one runs. */
import { directorClient } from '../../api/client.ts'
import { pretendedHost, pretendedHostsFolder } from '../../cluster/site.ts'
import type { DirectorControl, DirectorStatus } from '../../director/control.ts'
import { InfraError, isInfraError } from '../../errors.ts'
import type { GuestState, Hypervisor } from '../../guests/hypervisor.ts'
import { parseFarUri } from '../../guests/libvirt/far.ts'
import { libvirtHypervisor } from '../../guests/libvirt/libvirt.ts'
import { isThere } from '../../guests/libvirt/open.ts'
import { unknownGuest } from '../../guests/lifecycle.ts'
import { openHypervisor } from '../../guests/open.ts'
import type { Host } from '../../hosts/host.ts'
import { localHost } from '../../hosts/local/local.ts'

type CallOptions = { readonly signal: AbortSignal }

/** A hypervisor with the name of the host that its guests are shown on. */
export type Place = {
  readonly host: string
  readonly hypervisor: Hypervisor
  /** Another machine: the ports of its loopback lead nowhere from here. */
  readonly isFar?: true
}
export type FoundGuest = Place & { readonly guest: GuestState }

export interface Machine extends AsyncDisposable {
  readonly host: Host
  readonly places: readonly Place[]
  readonly director: DirectorControl
}

/** Everything on this machine that may have guests: QEMU, libvirt and Xen where they run, and the pretended hosts of `hypervisor: fake`. */
export async function openMachine({ signal }: CallOptions): Promise<Machine> {
  const host = localHost()
  const fakeNames = (await host.list(pretendedHostsFolder(host.directories), { signal })) ?? []
  const places: Place[] = [
    { host: host.name, hypervisor: openHypervisor('qemu', host) },
    ...((await runsXen(host, { signal })) ? [{ host: host.name, hypervisor: openHypervisor('xen', host) }] : []),
    ...(await libvirtPlaces(host, { signal })),
    ...fakeNames.map((name): Place => ({ host: name, hypervisor: openHypervisor('fake', pretendedHost(name)) })),
  ]
  return {
    host,
    places,
    director: directorClient(host),
    [Symbol.asyncDispose]: async () => {
      await Promise.all(places.map(({ hypervisor }) => hypervisor[Symbol.asyncDispose]()))
    },
  }
}

/** The daemon that LIBVIRT_DEFAULT_URI names, as for virsh(1): on this machine, or by SSH on another one. */
async function libvirtPlaces(host: Host, options: CallOptions): Promise<Place[]> {
  const far = parseFarUri(process.env['LIBVIRT_DEFAULT_URI'] ?? '')
  if (far === undefined)
    // Where no libvirt daemon listens it has no guests either: none is started to ask.
    return (await isThere(host, options)) ? [{ host: host.name, hypervisor: openHypervisor('libvirt', host) }] : []
  const { openSshHost } = await import('../../hosts/ssh/ssh.ts')
  const there = await openSshHost(far.destination, {}, options)
  const hypervisor = libvirtHypervisor(there, far.uri)
  const close = async (): Promise<void> => {
    await hypervisor[Symbol.asyncDispose]()
    await there[Symbol.asyncDispose]()
  }
  return [{ host: there.name, isFar: true, hypervisor: { ...hypervisor, [Symbol.asyncDispose]: close } }]
}

/** Whether this is a Dom0: Xen's file system says what this domain may control. */
async function runsXen(host: Host, options: CallOptions): Promise<boolean> {
  const capabilities = await host.readFile('/proc/xen/capabilities', options)
  return new TextDecoder().decode(capabilities).includes('control_d')
}

/** All guests of all hypervisors, sorted by name. */
export async function listGuests(machine: Pick<Machine, 'places'>, { signal }: CallOptions): Promise<FoundGuest[]> {
  const lists = await Promise.all(
    machine.places.map(async (place) =>
      (await place.hypervisor.list({ signal })).map((guest): FoundGuest => ({ ...place, guest })),
    ),
  )
  return lists.flat().sort((a, b) => compareNames(a.guest.definition.name, b.guest.definition.name))
}

/** web-2 before web-10. */
export function compareNames(a: string, b: string): number {
  return a.localeCompare(b, 'en', { numeric: true })
}

/** @throws InfraError `not-found`, or `invalid` when two hypervisors have a guest of that name. */
export async function findGuest(machine: Machine, name: string, { signal }: CallOptions): Promise<FoundGuest> {
  const found = (await listGuests(machine, { signal })).filter(({ guest }) => guest.definition.name === name)
  const [first, second] = found
  if (first === undefined) throw unknownGuest(name)
  if (second !== undefined)
    throw new InfraError(
      'invalid',
      `${found.map(({ hypervisor }) => hypervisor.name).join(' and ')} have a guest ${name}`,
      {
        subject: name,
        hint: 'guests of one machine need names of their own',
      },
    )
  return first
}

/** undefined while no director runs; other failures are thrown: could not ask is not the same as none. */
export async function directorStatus(
  machine: Pick<Machine, 'director'>,
  { signal }: CallOptions,
): Promise<DirectorStatus | undefined> {
  try {
    return await machine.director.status({ signal })
  } catch (error) {
    if (isInfraError(error, 'not-found')) return undefined
    throw error
  }
}

/** Tells the director, if one runs, where a guest that was started is reached now: its servers prove themselves anew. */
export async function announceReach(
  machine: Machine,
  { hypervisor, guest, isFar }: FoundGuest,
  options: CallOptions,
): Promise<void> {
  if (isFar === true) return
  const { name } = guest.definition
  const now = (await hypervisor.list(options)).find(({ definition }) => definition.name === name)
  if (now === undefined) return
  const reach = now.reach.map(({ guestPort, address, port }) => ({ guestPort, address, port }))
  await machine.director.moveGuest(name, reach, options).catch((error: unknown) => {
    if (!isInfraError(error, 'not-found')) throw error
  })
}
