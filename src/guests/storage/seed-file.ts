/** A guest's seed as a file on its host. */
import type { Host } from '../../hosts/host.ts'
import type { CallOptions, GuestDefinition } from '../hypervisor.ts'
import { seedDisc } from '../seed.ts'

/** Written when it is not as it should be; a guest that runs reads the new one at its next start. */
export async function ensureSeed(
  host: Host,
  path: string,
  definition: GuestDefinition,
  mac: string,
  options: CallOptions,
): Promise<void> {
  const { seed } = definition
  if (seed === undefined) return host.remove(path, options)
  if (seed.content === undefined) return
  const disc = seedDisc(definition, seed.content, mac)
  const standing = await host.readFile(path, options)
  if (standing === undefined || Buffer.compare(standing, disc) !== 0)
    await host.writeFile(path, disc, { ...options, mode: 0o600 })
}
