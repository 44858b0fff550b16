/** Two routers of one id, as Baton's spec and as keepalived's words: the same kind of each. */
import type { RouterSpec, VrrpSpec } from '../../src/vrrp/spec.ts'
import { alone } from './world.ts'

export type Kind = {
  readonly name: string
  readonly version: 2 | 3
  readonly family: 'ipv4' | 'ipv6'
  readonly intervalMs: number
  readonly password?: string
  readonly isUnicast?: boolean
  /** Whether a living master of lower priority is left alone. */
  readonly isPatient?: boolean
}

type Ours = { readonly peer?: number } & Partial<Pick<RouterSpec, 'accepts' | 'tracked'>>

const hostOf = { ipv4: (at: number) => `10.99.0.${at + 1}`, ipv6: (at: number) => `fd99::${at + 1}` }
export const addressOf = { ipv4: '10.99.0.100', ipv6: 'fe80::100' }

/** Baton's; `peer`: the place of the other one. */
export function ours(kind: Kind, priority: number, { peer = 1, ...rest }: Ours = {}): VrrpSpec {
  const { version, family, intervalMs, password, isUnicast, isPatient } = kind
  const to = { kind: 'unicast' as const, peers: [hostOf[family](peer)] }
  const config = {
    version,
    family,
    intervalMs,
    priority,
    ...(password === undefined ? {} : { password }),
    ...(isPatient === true ? { preempts: false } : {}),
    ...(isUnicast === true ? { paths: [{ interface: 'eth0', to }] as const } : {}),
  }
  return alone(config, rest)
}

/** keepalived's, at a place; `more`: further lines. */
export function theirs(kind: Kind, priority: number, { at = 1, peer = 0, more = '' } = {}): string {
  const { version, family, intervalMs, password, isUnicast, isPatient } = kind
  const address = `${addressOf[family]}/${family === 'ipv6' ? 64 : 24}`
  return `vrrp_instance edge {
    interface eth0
    state BACKUP
    version ${version}
    virtual_router_id 51
    priority ${priority}
    advert_int ${intervalMs / 1000}
    ${password === undefined ? '' : `authentication {\n auth_type PASS\n auth_pass ${password}\n }`}
    ${isUnicast === true ? `unicast_src_ip ${hostOf[family](at)}\n unicast_peer {\n ${hostOf[family](peer)}\n }` : ''}
    ${isPatient === true ? 'nopreempt' : ''}
    ${more}
    virtual_ipaddress {
      ${address}
    }
  }`
}
