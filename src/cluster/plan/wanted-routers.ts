/** The virtual routers of a cluster as a director runs them: addresses and names filled in. Pure. */
import { isInNetwork } from '../../lvs/address.ts'
import { type Family, familyOf } from '../../lvs/service.ts'
import type { HeartbeatPath } from '../../vrrp/machine/config.ts'
import type { GroupSpec, HeldAddress, RouterSpec, StaticSpec, VrrpSpec } from '../../vrrp/spec.ts'
import { vrrpGroups } from '../../wire/vrrp.ts'
import { given } from '../spec/given.ts'
import { parseHeldAddress } from '../spec/held-address.ts'
import type { ClusterSpec, StandingSpec, VirtualRouterSpec } from '../spec/model.ts'

/** Of the director on `host`. undefined: none. Names get the cluster's in front: a director may run routers of several. */
export function wantedRouters(spec: ClusterSpec, host: string): VrrpSpec | undefined {
  const { vrrp: routers = [], standing } = spec.directors
  if (routers.length === 0 && standing === undefined) return undefined
  const grouped = new Map<string, RouterSpec[]>()
  for (const router of routers) {
    const name = `${spec.name}/${router.group ?? router.name}`
    const isGrouped = routers.filter(({ group }) => group !== undefined && group === router.group).length > 1
    grouped.set(name, [...(grouped.get(name) ?? []), routerOf(spec, router, { host, isGrouped })])
  }
  return {
    groups: [...grouped].map(([name, members]): GroupSpec => ({ name, members })),
    ...given('standing', standing && standingOf(standing)),
  }
}

function standingOf({ addresses = [], routes, rules }: StandingSpec): StaticSpec {
  const holds = addresses.flatMap((text) => {
    const held = parseHeldAddress(text)
    return held?.interface === undefined ? [] : [{ ...held, interface: held.interface }]
  })
  return { holds, ...given('routes', routes), ...given('rules', rules) }
}

function routerOf(
  spec: ClusterSpec,
  router: VirtualRouterSpec,
  { host, isGrouped }: { readonly host: string; readonly isGrouped: boolean },
): RouterSpec {
  const advertised = heldBy(router, router.addresses ?? serviceAddresses(spec))
  const family = familyOf(advertised[0]?.address ?? '0.0.0.0')
  const { id, version, intervalMs, preempts, preemptDelayMs, announcing, checksum, checksAddresses } = router
  return {
    config: {
      name: `${spec.name}/${router.name}`,
      id,
      version,
      family,
      priority: router.priorities?.[host] ?? router.priority,
      intervalMs,
      addresses: advertised.map(({ address }) => address),
      preempts,
      preemptDelayMs,
      downAdverts: router.downAdverts,
      answersLower: router.answersLower,
      announcing,
      ...given('password', router.password),
      checksum,
      checksAddresses,
      paths: [pathOf(router, family), ...router.also.map((path) => pathOf(path, family))],
      isGrouped,
    },
    holds: [...advertised, ...heldBy(router, router.beside)],
    ...given('routes', router.routes),
    ...given('rules', router.rules),
    hasVirtualMac: router.hasVirtualMac,
    accepts: router.accepts,
    ...(router.tracksOwn ? {} : { ignoresOwnInterface: true }),
    tracked: router.tracked.map((track) =>
      track.kind === 'service' ? { ...track, service: `${spec.name}/${track.service}` } : track,
    ),
  }
}

function heldBy({ interface: own }: VirtualRouterSpec, texts: readonly string[]): HeldAddress[] {
  return texts.flatMap((text) => {
    const held = parseHeldAddress(text)
    return held === undefined ? [] : [{ interface: own, ...held }]
  })
}

function pathOf(
  { interface: name, peers, source, multicast }: VirtualRouterSpec['also'][number],
  family: Family,
): HeartbeatPath {
  if (peers === undefined) return { interface: name, to: { kind: 'multicast', group: multicast ?? vrrpGroups[family] } }
  return { interface: name, to: { kind: 'unicast', peers, ...given('source', source) } }
}

/** Each once, a network of its own: what a service's clients come to. */
function serviceAddresses(spec: ClusterSpec): string[] {
  const own = Object.values(spec.services).flatMap(({ service: { id } }) => ('address' in id ? [id.address] : []))
  const isShared = (address: string): boolean => !isInNetwork(address, { address: '127.0.0.0', prefix: 8 })
  return [...new Set(own)].filter(isShared).map((address) => `${address}/${address.includes(':') ? 128 : 32}`)
}
