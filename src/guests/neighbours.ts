/** Addresses of guests as their host has seen them on a bridge. */
import type { Host } from '../hosts/host.ts'
import type { CallOptions } from './hypervisor.ts'

/** The address that the host has seen behind a MAC address on the bridge. */
export async function neighbourAddress(
  host: Host,
  bridge: string,
  mac: string,
  options: CallOptions,
): Promise<string | undefined> {
  const result = await host.run(['ip', '-o', 'neighbour', 'show', 'dev', bridge], options)
  const line = result.stdout.split('\n').find((text) => text.includes(mac) && !text.startsWith('fe80:'))
  return line?.split(' ')[0]
}
