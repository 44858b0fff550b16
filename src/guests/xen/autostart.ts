/** Guests that start with their host: links in /etc/xen/auto, which xendomains goes through at boot. */
import { InfraError } from '../../errors.ts'
import type { Host } from '../../hosts/host.ts'
import type { CallOptions } from '../hypervisor.ts'
import type { Known } from './observe.ts'
import { autoDirectory, configDirectory } from './paths.ts'

/** Makes the link, or takes it away. Packages do not make the directory. */
export async function setAutostart(
  host: Host,
  { auto, config }: { readonly auto: string; readonly config: string },
  isWanted: boolean,
  options: CallOptions,
): Promise<void> {
  if (!isWanted) return host.remove(auto, options)
  await host.makeDirectory(autoDirectory, options)
  const { code, stderr } = await host.run(['ln', '-sfn', '--', config, auto], options)
  if (code !== 0) throw new InfraError('failed', `make the link ${auto}: ${stderr.trim()}`, { subject: auto })
}

/** Also for a guest of others, whose file may be called otherwise. @throws InfraError `unsupported` where there is no file to link. */
export async function switchAutostart(
  host: Host,
  { definition: { name }, paths }: Known,
  isWanted: boolean,
  options: CallOptions,
): Promise<void> {
  const { config } = paths
  if (isWanted && (await host.readFile(config, options)) === undefined)
    throw new InfraError('unsupported', `autostart ${name}: it was started without a file in ${configDirectory}`, {
      subject: name,
      hint: `xendomains starts what is linked in ${autoDirectory}: put its .cfg into ${configDirectory}`,
    })
  const auto = `${autoDirectory}/${config.slice(config.lastIndexOf('/') + 1)}`
  await setAutostart(host, { auto, config }, isWanted, options)
}
