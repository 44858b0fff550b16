/** A guest that goes to another host of Xen as it runs. */
import { InfraError } from '../../../errors.ts'
import { parseXenInfo } from '../../../formats/xl/info.ts'
import { textSetting } from '../../../formats/xl-cfg/settings.ts'
import type { Host } from '../../../hosts/host.ts'
import type { CallOptions } from '../../hypervisor.ts'
import { setAutostart } from '../autostart.ts'
import { untilGone } from '../launch.ts'
import type { Known } from '../observe.ts'
import { mustXl } from '../xl.ts'

/** Xen watches the pages that a moving guest writes: by the shadows of a PV guest, by the nested tables of the others. */
export async function migrateGuest(host: Host, guest: Known, to: string, options: CallOptions): Promise<void> {
  const { definition, settings, paths } = guest
  const { name, mark } = definition
  if (to.startsWith('-')) throw new InfraError('invalid', `${to} is no name of a host`, { subject: to })
  if (mark !== undefined)
    throw new InfraError('unsupported', `${name} belongs to cluster ${mark.cluster}, whose spec says where it runs`, {
      subject: name,
      hint: 'give its pool another host in the spec, and run baton up',
    })
  const { capabilities } = parseXenInfo(await mustXl(host, 'ask Xen', 'xl', ['info'], options))
  const isPv = (textSetting(settings, 'type') ?? 'pv') === 'pv'
  if (!capabilities.includes(isPv ? 'shadow' : 'hap'))
    throw new InfraError(
      'unsupported',
      `${name} cannot move while it runs: this Xen has no ${isPv ? 'shadow' : 'nested'} paging`,
      {
        subject: name,
        hint: `${isPv ? "Debian's hypervisor is built without it. " : ''}Shut it down (or save it), take its disks, its .cfg and its memory there, and start it`,
      },
    )
  await mustXl(host, `move ${name} to ${to}`, name, ['migrate', name, to], options)
  await untilGone(host, name, `move ${name} to ${to}`, options)
  // Started here again it would write to the disks that it uses there.
  await setAutostart(host, paths, false, options)
  await host.rename(paths.config, `${paths.config}.moved-to-${to}`, options)
  await host.remove(paths.started, options)
}
