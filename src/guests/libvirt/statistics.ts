/** What a guest has used, from libvirt's statistics of all kinds at once (virConnectGetAllDomainStats). */
import type { TypedParameter } from '../../wire/libvirt/notation.ts'
import type { CallOptions, GuestStatistics } from '../hypervisor.ts'
import type { Connection } from './connection.ts'
import type { Domain } from './observe.ts'

/** VIR_DOMAIN_STATS_*: cpu, balloon, interface, block. */
const kinds = 2 | 4 | 16 | 32

export async function guestStatistics(
  connection: Connection,
  domain: Domain,
  options: CallOptions,
): Promise<GuestStatistics> {
  const [[found]] = await connection.call('connectGetAllDomainStats', [[domain], kinds, 0], options)
  return statisticsOf(found?.values ?? [])
}

export function statisticsOf(values: readonly TypedParameter[]): GuestStatistics {
  const sum = (pattern: RegExp): number =>
    values.filter(({ field }) => pattern.test(field)).reduce((total, { value }) => total + Number(value), 0)
  return {
    cpuSeconds: sum(/^cpu\.time$/) / 1e9,
    residentBytes: sum(/^balloon\.rss$/) * 1024,
    disk: { readBytes: sum(/^block\.\d+\.rd\.bytes$/), writtenBytes: sum(/^block\.\d+\.wr\.bytes$/) },
    // QEMU's user network is not counted.
    ...(values.some(({ field }) => /^net\.\d+\.rx\.bytes$/.test(field))
      ? { network: { receivedBytes: sum(/^net\.\d+\.rx\.bytes$/), sentBytes: sum(/^net\.\d+\.tx\.bytes$/) } }
      : {}),
  }
}
