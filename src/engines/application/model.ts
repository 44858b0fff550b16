/** What stands and runs in the engine's thread: listeners, HTTP clients, and their requests. */
import type { ClientRequest, IncomingMessage, ServerResponse } from 'node:http'
import type { Socket } from 'node:net'
import type { Application } from '../../lvs/application.ts'
import type { ServerRecord, ServiceRecord } from '../records.ts'
import type { OwnStatus } from './answers.ts'
import type { CertificateSet } from './certificates.ts'
import type { Context } from './context.ts'
import type { Ends } from './ends.ts'
import type { Chooser } from './rules.ts'
import type { Running } from './running.ts'

export type Listener = {
  /** Undefined: the service is gone; what runs is left to finish. */
  record: ServiceRecord | undefined
  certificates: CertificateSet | undefined
  /** Clients that have not said yet what they want, by their address. */
  readonly arriving: Map<string, Socket>
  choose(application: Application): Chooser
  /** The certificates have changed. */
  renew(): void
  close(): void
}

export type Client = {
  readonly socket: Socket
  readonly listener: Listener
  readonly ends: Ends
  readonly proto: 'http' | 'https'
  current: Exchange | undefined
  readonly waiting: Pick<Exchange, 'request' | 'response' | 'upgrade'>[]
  /** No more requests are taken from it, and why; told after the answers under way. */
  refusal: OwnStatus | undefined
}

export type HttpFront = {
  take(client: Pick<Client, 'socket' | 'listener' | 'ends' | 'proto'>): void
  /** Closes connections of services that are gone, where nothing is under way. */
  sweep(): void
  close(): void
}

/** `connecting` to a server, `sending` the request, `waiting` for the answer, passing it on (`answering`). */
export type Phase = 'connecting' | 'sending' | 'waiting' | 'answering' | 'tunnel' | 'done'

export type Exchange = Running<Context> & {
  readonly client: Client
  readonly request: IncomingMessage
  readonly response: ServerResponse
  /** The bare connection of a request that may switch to another protocol, and what came behind its head. */
  readonly upgrade: { readonly socket: Socket; readonly head: Buffer } | undefined
  phase: Phase
  /** When something last moved. */
  lastMs: number
  /** What the client reached, and the service whose servers take it; kept when either is removed. */
  front: ServiceRecord | undefined
  service: ServiceRecord | undefined
  upstream: ClientRequest | undefined
  /** What the server's connection had carried when it was last counted. */
  counted: { in: number; out: number }
  tried: readonly ServerRecord[]
  resent: number
  isBodyBegun: boolean
  isTimedOut: boolean
}
