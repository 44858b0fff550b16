/** Guests that start with their host: links in /etc/xen/auto, which xendomains goes through at boot. */
import { InfraError } from '../../errors.ts'
import type { Host } from '../../hosts/host.ts'
import type { CallOptions } from '../hypervisor.ts'
import { autoDirectory, type GuestPaths } from './paths.ts'

/** Makes the link, or takes it away. Packages do not make the directory. */
export async function setAutostart(
  host: Host,
  { auto, config }: Pick<GuestPaths, 'auto' | 'config'>,
  isWanted: boolean,
  options: CallOptions,
): Promise<void> {
  if (!isWanted) return host.remove(auto, options)
  await host.makeDirectory(autoDirectory, options)
  const { code, stderr } = await host.run(['ln', '-sfn', '--', config, auto], options)
  if (code !== 0) throw new InfraError('failed', `make the link ${auto}: ${stderr.trim()}`, { subject: auto })
}
