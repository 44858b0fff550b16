/** No disk for two: xl gives one image file to two guests without a word (its script compares what cannot be equal). */
import { InfraError } from '../../errors.ts'
import { parseXlDisk } from '../../formats/xl-cfg/disk.ts'
import { listSetting } from '../../formats/xl-cfg/settings.ts'
import type { Host } from '../../hosts/host.ts'
import type { CallOptions } from '../hypervisor.ts'
import { readConfigs } from './observe.ts'
import { listDomains } from './xl.ts'

/** @throws InfraError `busy` when another guest that has a domain writes to one of these, or reads what would be written. */
export async function refuseSharedDisks(
  host: Host,
  name: string,
  written: readonly string[],
  options: CallOptions,
): Promise<void> {
  if (written.length === 0) return
  const [domains, configs] = await Promise.all([listDomains(host, options), readConfigs(host, options)])
  for (const { name: other } of domains) {
    if (other === name) continue
    const settings = configs.get(other)?.settings ?? new Map()
    const shared = listSetting(settings, 'disk').find((text) => written.includes(parseXlDisk(text).target))
    if (shared === undefined) continue
    const { target } = parseXlDisk(shared)
    throw new InfraError('busy', `${target} is a disk of ${other}, which runs`, {
      subject: target,
      hint: `shut ${other} down first; two guests that write to one disk destroy it`,
    })
  }
}
