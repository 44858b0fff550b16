/** Application-level balancing (KTCPVS): what is read from a client before its real server is chosen. Plain data. */

/** All that is given must hold; a match with nothing given always holds. */
export type ContentMatch = {
  /** `shop.example`, or `*.shop.example` for everything below it. Without port, in lower case. */
  readonly host?: string
  /** `/api/` holds for everything below it; with `exact` only for itself. Compared with the path as it was sent, decoded once, without the query. */
  readonly path?: { readonly value: string; readonly exact: boolean }
  /** Without `value`: it is there. Names in lower case. */
  readonly header?: { readonly name: string; readonly value?: string }
  readonly cookie?: { readonly name: string; readonly value?: string }
}

/** The first rule that matches names the pool; when none does, the service's own servers are used. */
export type ContentRule = { readonly match: ContentMatch; readonly pool: string }

/** PEM files, read again when they change. A certificate serves the names it bears; the first serves all others. */
export type Certificate = { readonly certificate: string; readonly key: string }

/** What a server is told about the way a request has come: X-Forwarded-For and -Proto, Forwarded (RFC 7239), Via. */
export type ForwardedHeader = 'x-forwarded' | 'forwarded' | 'via'

export const defaultForwardedHeaders: readonly ForwardedHeader[] = ['x-forwarded', 'via']

export type Application =
  /** HTTP/1.1, each request by itself; with certificates the client speaks TLS, which ends here. */
  | {
      readonly kind: 'http'
      readonly rules: readonly ContentRule[]
      readonly certificates?: readonly Certificate[]
      /** Left out: `defaultForwardedHeaders`. */
      readonly forwarded?: readonly ForwardedHeader[]
    }
  /** TLS passed through as it is: only the name that the client asks for is read, and only `host` may be matched. */
  | { readonly kind: 'sni'; readonly rules: readonly ContentRule[] }
  /** TLS ends here; what is inside goes on as plain bytes. Only `host` may be matched. */
  | { readonly kind: 'tls'; readonly rules: readonly ContentRule[]; readonly certificates: readonly Certificate[] }
