/**
 * Which advertisements count: keepalived's checks (vrrp_check_packet), RFC 3768 §7.1 and RFC 9568 §7.1. Pure. What does
 * not count has a reason with a name, so that it can be told.
 */
import { type ChecksumReading, decodeVrrp, type VrrpPacket, vrrpChecksum, wireIntervals } from '../../wire/vrrp.ts'
import { WireError } from '../../wire/wire-error.ts'
import type { RouterConfig } from './config.ts'

/** An IP packet that came on one of the router's paths. */
export type Arrival = {
  readonly path: number
  readonly source: string
  readonly destination: string
  readonly hops: number
  readonly payload: Uint8Array
  /** This machine's address on that path. */
  readonly own: string | undefined
}

export type Refusal =
  | { readonly kind: 'malformed'; readonly detail: string }
  | { readonly kind: 'hops'; readonly hops: number }
  | { readonly kind: 'version'; readonly version: number }
  | { readonly kind: 'authentication'; readonly theirs: string }
  | { readonly kind: 'password' }
  | { readonly kind: 'interval'; readonly intervalMs: number }
  | { readonly kind: 'checksum' }
  | { readonly kind: 'no-addresses' }
  | {
      readonly kind: 'addresses'
      readonly missing: readonly string[]
      readonly extra: readonly string[]
      readonly priority: number
    }
  | { readonly kind: 'stranger' }
  | { readonly kind: 'destination'; readonly destination: string }
  | { readonly kind: 'own-address' }

export type Received =
  | { readonly kind: 'accepted'; readonly packet: VrrpPacket; readonly reading: ChecksumReading }
  | { readonly kind: 'refused'; readonly refusal: Refusal }

export function receive(config: RouterConfig, arrival: Arrival): Received {
  const { payload, source, destination, hops, own } = arrival
  const path = config.paths[arrival.path] ?? config.paths[0]
  const isMulticast = path.to.kind === 'multicast'
  // §7.1: 255, which no router has touched. Peers may be further away.
  if (isMulticast && hops !== 255) return refused({ kind: 'hops', hops })
  const version = (payload[0] ?? 0) >> 4
  if (payload.length > 0 && version !== config.version) return refused({ kind: 'version', version })
  let packet: VrrpPacket
  try {
    packet = decodeVrrp(payload, config.family)
  } catch (error) {
    if (!(error instanceof WireError)) throw error
    return refused({ kind: 'malformed', detail: error.message })
  }
  const reading = vrrpChecksum(payload, source, destination)
  if (reading === undefined) return refused({ kind: 'checksum' })
  if (source === own) return refused({ kind: 'own-address' })
  const { to } = path
  if (to.kind === 'multicast' ? destination !== to.group : destination !== (to.source ?? own))
    return refused({ kind: 'destination', destination })
  if (to.kind === 'unicast' && !to.peers.includes(source)) return refused({ kind: 'stranger' })
  const refusal = refusalOf(config, packet)
  return refusal === undefined ? { kind: 'accepted', packet, reading } : refused(refusal)
}

function refusalOf(config: RouterConfig, packet: VrrpPacket): Refusal | undefined {
  const { intervalMs, addresses, priority } = packet
  if (packet.version === 2) {
    const wrong = authenticationRefusal(config, packet)
    if (wrong !== undefined) return wrong
    if (intervalMs !== config.intervalMs) return { kind: 'interval', intervalMs }
  } else {
    if (intervalMs < wireIntervals[3].least) return { kind: 'interval', intervalMs }
    if (addresses.length === 0) return { kind: 'no-addresses' }
  }
  if (!config.checksAddresses) return undefined
  const missing = config.addresses.filter((address) => !addresses.includes(address))
  const extra = addresses.filter((address) => !config.addresses.includes(address))
  const isSame = missing.length === 0 && extra.length === 0 && addresses.length === config.addresses.length
  return isSame ? undefined : { kind: 'addresses', missing, extra, priority }
}

function authenticationRefusal(
  { password }: RouterConfig,
  { authentication }: VrrpPacket & { readonly version: 2 },
): Refusal | undefined {
  const theirs = authentication.kind
  if (theirs === 'other')
    return {
      kind: 'authentication',
      theirs: authentication.number === 2 ? 'an authentication header (AH)' : `kind ${authentication.number}`,
    }
  if (theirs !== (password === undefined ? 'none' : 'password'))
    return { kind: 'authentication', theirs: theirs === 'none' ? 'no authentication' : 'a password' }
  if (authentication.kind === 'none' || isSameText(authentication.password, password ?? '')) return undefined
  return { kind: 'password' }
}

/** In the same time wherever they differ. */
function isSameText(one: string, other: string): boolean {
  let difference = one.length ^ other.length
  for (let at = 0; at < 8; at++) difference |= (one.charCodeAt(at) || 0) ^ (other.charCodeAt(at) || 0)
  return difference === 0
}

function refused(refusal: Refusal): Received {
  return { kind: 'refused', refusal }
}
