/** dns-packet as far as the responder's codec and the check `dns` use it, typed as it behaves. */
declare module 'dns-packet' {
  export type Option = { readonly code: number; readonly data: Buffer }
  export type OptRecord = {
    readonly type: 'OPT'
    readonly name: string
    readonly udpPayloadSize: number
    readonly extendedRcode: number
    readonly ednsVersion: number
    readonly flags: number
    readonly options: readonly Option[]
  }
  type Data =
    | { readonly type: 'A' | 'AAAA' | 'NS'; readonly data: string }
    | { readonly type: 'HINFO'; readonly data: { readonly cpu: string; readonly os: string } }
    | {
        readonly type: 'SRV'
        readonly data: {
          readonly priority: number
          readonly weight: number
          readonly port: number
          readonly target: string
        }
      }
    | {
        readonly type: 'SOA'
        readonly data: {
          readonly mname: string
          readonly rname: string
          readonly serial: number
          readonly refresh: number
          readonly retry: number
          readonly expire: number
          readonly minimum: number
        }
      }
  export type Record = Data & { readonly name: string; readonly ttl: number }
  /** Of records that are not read here only the type matters. */
  export type Decoded = {
    readonly id: number
    readonly type: 'query' | 'response'
    /** Its name: `NOERROR`, `NXDOMAIN`. */
    readonly rcode: string
    readonly answers: readonly { readonly type: string; readonly data: unknown }[]
    readonly additionals: readonly (OptRecord | { readonly type: 'other' })[]
  }

  export function encode(packet: {
    readonly type?: 'query'
    readonly id?: number
    readonly flags?: number
    readonly questions?: readonly { readonly type: string; readonly name: string }[]
    readonly answers?: readonly Record[]
    readonly additionals?: readonly OptRecord[]
  }): Buffer
  /** @throws Error, RangeError or TypeError when it is no message. */
  export function decode(message: Buffer): Decoded
  export namespace decode {
    /** How long the message was that was decoded last. */
    let bytes: number
  }
}
