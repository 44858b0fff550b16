/**
 * At which interfaces packets meet the program: each packet once. A bridge, a bond or a team is met as a whole, not at its
 * ports; a VLAN at its own interface, where its packets have no tag any more, beside the one that carries it; and the
 * director's own programs' packets at `lo`.
 */
import { InfraError } from '../../errors.ts'
import type { Hook } from '../../os/bpf.ts'
import { type Interface, interfacesWithRoutes } from '../../os/interfaces.ts'
import { steeringInterfaces } from './steering.ts'
import type { Xdp } from './tuning.ts'

/** A VRF only has routes of its own: its packets come in by its ports. */
const wholes: readonly (string | undefined)[] = ['bridge', 'bond', 'team']

/**
 * `names`: just these. Left out: `lo`, and all Ethernet interfaces that are up and that a route leads through.
 * @throws InfraError `not-found` or `unsupported` for a name.
 */
export function meetingPlaces(
  all: readonly Interface[],
  names: readonly string[] | undefined,
  routed: ReadonlySet<string> = interfacesWithRoutes(),
): readonly Interface[] {
  if (names !== undefined) return names.map((name) => named(all, name))
  return all.filter(
    ({ name, kind, isUp, portOf }) =>
      isUp &&
      !steeringInterfaces.some((own) => own === name) &&
      (kind === 'loopback' || (kind === 'ethernet' && routed.has(name) && !wholes.includes(portOf))),
  )
}

function named(all: readonly Interface[], name: string): Interface {
  const found = all.find((own) => own.name === name)
  if (found === undefined) throw new InfraError('not-found', `there is no interface ${name}`, { subject: name })
  const { kind, portOf } = found
  if (kind === 'other') throw new InfraError('unsupported', `${name} is no Ethernet interface`, { subject: name })
  if (!wholes.includes(portOf)) return found
  throw new InfraError('unsupported', `${name} is the port of a ${portOf}`, {
    subject: name,
    hint: `name the ${portOf} itself: packets are met there`,
  })
}

/**
 * Whether to try it there. It takes segmentation offload from interfaces that are made by programs (veth, virtio): there
 * large transfers lose more than small packets gain.
 */
export function runsAhead({ kind, bus }: Interface, xdp: Xdp): boolean {
  if (kind !== 'ethernet' || xdp === 'off') return false
  return xdp === 'native' || (bus !== undefined && bus !== 'virtio')
}

/** What leaves by `lo` comes in by it at once: there it is met. */
export function hooksOf({ kind }: Interface): readonly Hook[] {
  return kind === 'loopback' ? ['in'] : ['in', 'out']
}
