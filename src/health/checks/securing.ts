/** How a check's spec wants TLS: from the first byte, or begun by the protocol's own command. */
import type { CheckTls } from '../check.ts'

type Securing = { readonly tls?: CheckTls | undefined; readonly starttls?: CheckTls | undefined }

/** Both forms of a spec as one. */
export function securing(spec: { readonly tls?: CheckTls } | { readonly starttls?: CheckTls }): Securing {
  return spec
}
