/** A connection, or a persistence template, as another director can go on with it: what the directors of one service tell each other. */
import type { ConnectionState } from './connection-state.ts'
import type { Endpoint, Forwarding, Protocol } from './service.ts'

export type PortableConnection = {
  readonly kind: 'connection' | 'template'
  /** `ip`: a template of a firewall mark, whose number stands in `mark`. */
  readonly protocol: Protocol | 'ip'
  readonly client: Endpoint
  readonly service: Endpoint
  readonly server: Endpoint
  /** Of the service that it came by; 0: none. */
  readonly mark: number
  readonly forwarding: Forwarding
  /** The director has seen no packet of the server's: replies take another way. */
  readonly isInputOnly: boolean
  readonly state: ConnectionState
  readonly timeoutSeconds: number
  readonly persistenceData?: { readonly engine: 'sip'; readonly data: string }
}
