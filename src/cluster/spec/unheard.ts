/** Services at addresses that take no packets (`accept: false`), where what carries them listens there itself. Pure. */
import type { EngineName } from '../../engines/engine.ts'
import { parseHeldAddress } from './held-address.ts'
import type { ClusterSpec } from './model.ts'

/** Engines that take packets before they come to the machine itself are not concerned. */
export function unheardServices(
  { services, directors }: ClusterSpec,
  engine: EngineName,
): { readonly service: string; readonly router: string; readonly reason: string }[] {
  const deaf = (directors.vrrp ?? []).filter(({ accepts }) => !accepts)
  return Object.values(services).flatMap(({ name, service }) => {
    const isRead = service.application !== undefined || service.id.kind === 'dns'
    if (!('address' in service.id) || (!isRead && engine !== 'userspace')) return []
    const { address } = service.id
    const router = deaf.find(
      // Without addresses of its own a router has those of the services.
      ({ addresses, beside }) =>
        addresses === undefined ||
        [...addresses, ...beside].some((text) => parseHeldAddress(text)?.address === address),
    )
    if (router === undefined) return []
    const who = isRead ? 'such a service is listened for' : `the ${engine} engine listens`
    return [
      {
        service: name,
        router: router.name,
        reason: `${who} at ${address}, where router ${router.name} has accept: false`,
      },
    ]
  })
}
