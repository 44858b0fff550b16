/** What a script at random has made so far, as far as its maker keeps count: most lines mean what is there. */
import type { Protocol } from '../../../src/lvs/service.ts'
import type { Random } from './chance.ts'

/**
 * `method`: how packets reach it, as it is told to ipvsadm. It stays: Linux loses packets while connections of another
 * forwarding method to the same server live on (one cached route serves both).
 */
export type MadeServer = { readonly address: string; readonly port: number; readonly method: string }

export type MadeService = {
  /** As it is told to ipvsadm: `-t 10.50.0.1:80`. */
  readonly words: string
  readonly protocol: Protocol
  readonly isIpv6: boolean
  /** Where packets for it go; port 0: to any. */
  readonly address: string
  readonly port: number
  readonly mark: number
  readonly servers: MadeServer[]
  /** By address, also of servers that are gone. */
  readonly methods: Map<string, string>
}

/** A client that has spoken to a service; both are endpoints as text. */
export type Client = { readonly service: MadeService; readonly from: string; readonly to: string }

export type Making = { readonly random: Random; readonly services: MadeService[]; readonly clients: Client[] }

export function endpointText(address: string, port: number): string {
  return address.includes(':') ? `[${address}]:${port}` : `${address}:${port}`
}
