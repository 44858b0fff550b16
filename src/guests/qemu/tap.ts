/** Tap devices: a guest's network card on a bridge of the host. Root only. */
import { InfraError } from '../../errors.ts'
import type { Host } from '../../hosts/host.ts'

type Signalled = { readonly signal: AbortSignal }

export async function addTap(host: Host, tap: string, bridge: string, options: Signalled): Promise<void> {
  await removeTap(host, tap, options) // left over from a crashed run
  for (const command of [
    ['ip', 'tuntap', 'add', 'dev', tap, 'mode', 'tap'],
    ['ip', 'link', 'set', 'dev', tap, 'master', bridge, 'up'],
  ]) {
    const result = await host.run(command, options)
    if (result.code === 0) continue
    await removeTap(host, tap, options)
    throw new InfraError('failed', `put ${tap} on bridge ${bridge}: ${result.stderr.trim()}`, {
      subject: bridge,
      hint: 'a bridged guest needs root, the tun module and the bridge: ip link add NAME type bridge; or use network: user',
    })
  }
}

/** Succeeds when it is gone already. */
export async function removeTap(host: Host, tap: string, options: Signalled): Promise<void> {
  await host.run(['ip', 'link', 'delete', 'dev', tap], options)
}

/** What the guest received is what the tap sent. */
export async function tapCounters(
  host: Host,
  tap: string,
  options: Signalled,
): Promise<{ receivedBytes: number; sentBytes: number } | undefined> {
  const read = async (name: string): Promise<number | undefined> => {
    const content = await host.readFile(`/sys/class/net/${tap}/statistics/${name}`, options)
    return content === undefined ? undefined : Number(new TextDecoder().decode(content))
  }
  const [received, sent] = await Promise.all([read('tx_bytes'), read('rx_bytes')])
  return received === undefined || sent === undefined ? undefined : { receivedBytes: received, sentBytes: sent }
}
