/** Which device carries the host's connections, and who set it up: what a bridge over it has to be written for. */
import { InfraError } from '../../../errors.ts'
import type { Survey } from '../../survey/survey.ts'

export type Uplink = {
  readonly name: string
  readonly mac: string
}

export type BridgeWish = { readonly bridge: string; readonly uplink?: string }

/**
 * undefined: the uplink is in that bridge already.
 * @throws InfraError for an uplink that no bridge can be laid over.
 */
export function findUplink(
  { links, defaultDevices, wireless }: Survey,
  { bridge, uplink }: BridgeWish,
): Uplink | undefined {
  if (!/^[a-zA-Z][a-zA-Z0-9_.-]{0,14}$/.test(bridge))
    throw refusal('invalid', `${bridge} is no name for a bridge`, bridge, 'write at most 15 letters and digits')
  const [found = uplink, other] = uplink === undefined ? defaultDevices : [uplink]
  if (found === undefined)
    throw refusal('not-found', 'there is no default route, so no uplink is known', bridge, 'name it with --uplink')
  if (other !== undefined)
    throw refusal('invalid', `default routes lead over ${found} and ${other}`, found, 'name the uplink with --uplink')
  const link = links.find(({ name }) => name === found)
  if (link === undefined)
    throw refusal(
      'not-found',
      `there is no ${found} here`,
      found,
      `there are ${links.map(({ name }) => name).join(', ')}`,
    )
  if (found === bridge) {
    if (link.kind === 'bridge') return undefined
    throw refusal('invalid', `${bridge} is a device already`, bridge, 'give the bridge another name')
  }
  if (link.kind === 'bridge')
    throw refusal(
      'already-exists',
      `the bridge ${found} carries the uplink`,
      found,
      `use it: --bridge ${found}, or bridge: ${found} in the spec`,
    )
  if (link.master === bridge) return undefined
  if (link.master !== undefined)
    throw refusal(
      'already-exists',
      `${found} is a part of ${link.master} already`,
      found,
      `use it: --bridge ${link.master}`,
    )
  if (wireless.includes(found))
    throw refusal(
      'unsupported',
      `${found} is wireless, and a bridge needs a wire`,
      found,
      'name another uplink with --uplink, or let guests have network: user',
    )
  if (link.kind !== '' && link.kind !== 'veth')
    throw refusal(
      'unsupported',
      `${found} is a ${link.kind}: Baton lays bridges over plain network cards`,
      found,
      `make ${bridge} over it by hand, then run this again`,
    )
  if (links.some(({ name }) => name === bridge))
    throw refusal(
      'already-exists',
      `${bridge} is there already, without ${found}`,
      bridge,
      `ip link set ${found} master ${bridge} from a console, or take ${bridge} away first`,
    )
  return { name: found, mac: link.mac }
}

export function refusal(code: InfraError['code'], message: string, subject: string, hint: string): InfraError {
  return new InfraError(code, message, { subject, hint })
}
