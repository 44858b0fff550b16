/** What a director's virtual routers have put on its host, which outlives one that is killed. */
import type { Host } from '../hosts/host.ts'
import type { VrrpEvent } from '../vrrp/status.ts'
import type { Vrrp } from '../vrrp/vrrp.ts'
import { directorFiles } from './files.ts'

type CallOptions = { readonly signal: AbortSignal }

const noteMs = 10_000

/** Opens them, and says so before the first address is there. */
export async function openNotedVrrp(host: Host, onEvent: (event: VrrpEvent) => void): Promise<Vrrp> {
  await host.writeFile(directorFiles(host).routers, '', { signal: AbortSignal.timeout(noteMs), mode: 0o600 })
  // Loaded when it is asked for: most directors have no virtual router.
  const { openVrrp } = await import('../vrrp/vrrp.ts')
  return openVrrp(onEvent)
}

/** Takes away what those of a director that has ended have left. Whether there was anything; not what cannot be taken away. */
export async function removeRouterTraces(host: Host, options: CallOptions): Promise<boolean> {
  const { routers } = directorFiles(host)
  if ((await host.readFile(routers, options)) === undefined) return false
  const { removeLeftBehind } = await import('../vrrp/left-behind.ts')
  const removed = await removeLeftBehind()
  await host.remove(routers, options)
  return removed
}
