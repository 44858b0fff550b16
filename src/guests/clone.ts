/** A guest once more: a new name and hardware address, and disks of its own with what the first one's have. */
import { randomUUID } from 'node:crypto'
import { dirname } from 'node:path'
import { tidying } from '../deadline.ts'
import { InfraError } from '../errors.ts'
import type { Host } from '../hosts/host.ts'
import type { GuestBoot, GuestDefinition, GuestState, Hypervisor } from './hypervisor.ts'
import { isGuestName } from './lifecycle.ts'
import { machineOf } from './machine.ts'
import { readSeed } from './seed.ts'
import { mustRun } from './storage/qemu-img.ts'

type CloneOptions = { readonly signal: AbortSignal; readonly progress: (text: string) => void }

/**
 * The clone is nobody's: no cluster has it, until it is in a file. @throws InfraError `invalid` for a guest that is not off or a name
 * that is none, `already-exists`, `unsupported` where two guests would have one address.
 */
export async function cloneGuest(
  host: Host,
  hypervisor: Hypervisor,
  source: GuestState,
  to: string,
  { signal, progress }: CloneOptions,
): Promise<void> {
  const { placesOfDisks } = machineOf(hypervisor, 'placesOfDisks')
  const from = source.definition.name
  const clone = clonedDefinition(source.definition, to)
  mustBeOff(source, `clone ${from}`)
  if ((await hypervisor.list({ signal })).some(({ definition }) => definition.name === to))
    throw new InfraError('already-exists', `clone ${from}: there is a guest ${to}`, { subject: to })
  const made: string[] = []
  try {
    const places = placesOfDisks(clone)
    for (const [index, path] of placesOfDisks(source.definition).entries()) {
      const place = places[index] ?? ''
      progress(`copying ${path}`)
      await copyDisk(host, path, place, signal)
      made.push(place)
    }
    // A disk that its guest wrote to meanwhile is no disk that anybody has had.
    const now = (await hypervisor.list({ signal })).find(({ definition }) => definition.name === from)
    if (now !== undefined) mustBeOff(now, `clone ${from}`)
    await hypervisor.define({ ...clone, ...(await seedOf(host, hypervisor, source.definition, signal)) }, { signal })
  } catch (error) {
    for (const path of made) await host.remove(path, tidying())
    throw error
  }
}

/** What its seed says, for one of the clone's own: another name is another instance for cloud-init. */
async function seedOf(
  host: Host,
  hypervisor: Hypervisor,
  { name, seed }: GuestDefinition,
  signal: AbortSignal,
): Promise<Pick<GuestDefinition, 'seed'>> {
  if (seed === undefined) return {}
  const path = machineOf(hypervisor, 'placeOfSeed').placeOfSeed(name)
  const disc = await host.readFile(path, { signal })
  if (disc === undefined)
    throw new InfraError('not-found', `clone ${name}: its seed ${path} is gone`, {
      subject: name,
      hint: 'baton up writes it anew',
    })
  return { seed: { ...seed, content: await readSeed(disc) } }
}

export function mustBeOff({ definition, state }: GuestState, what: string): void {
  if (state === 'stopped' || state === 'crashed') return
  throw new InfraError('invalid', `${what}: it is ${state}`, {
    subject: definition.name,
    hint: `shut it down first: baton shutdown ${definition.name}`,
  })
}

/** Its hardware address comes from its name. Pure. */
export function clonedDefinition({ mark: _mark, ...definition }: GuestDefinition, to: string): GuestDefinition {
  const { name, network, boot } = definition
  if (!isGuestName(to))
    throw new InfraError('invalid', `clone ${name}: ${to} is no name for a guest`, {
      subject: to,
      hint: 'it has 1 to 63 letters, digits, dots, dashes and underscores',
    })
  if (network.kind === 'bridge' && network.address !== undefined)
    throw new InfraError('unsupported', `clone ${name}: both would have the address ${network.address}`, {
      subject: name,
      hint: 'clone a guest with network: dhcp, or raise the count of its pool and give each an address',
    })
  return { ...definition, name: to, boot: renamed(boot, to), autostart: false }
}

function renamed(boot: GuestBoot, to: string): GuestBoot {
  if (boot.kind !== 'kernel') return boot
  return { ...boot, cmdline: boot.cmdline.replace(/(^| )baton\.name=\S+/, `$1baton.name=${to}`) }
}

/** An overlay's copy is an overlay over the same image. */
async function copyDisk(host: Host, from: string, to: string, signal: AbortSignal): Promise<void> {
  const doing = { what: `copy ${from}`, path: from, signal }
  const partial = `${to}.${randomUUID()}.partial`
  if ((await host.list(dirname(to), { signal })) === undefined)
    await host.makeDirectory(dirname(to), { signal, mode: 0o700 })
  try {
    await mustRun(host, ['cp', '--reflink=auto', '--sparse=always', '--', from, partial], doing)
    await host.rename(partial, to, { signal })
  } catch (error) {
    await host.remove(partial, tidying())
    throw error
  }
}
