/** A TCP connection as two sockets: its state. What happens to it stands in relays.ts. */
import type { ConnectionState } from '../../../lvs/connection-state.ts'
import type { Held } from './buffers.ts'
import type { Placed } from './memory.ts'
import type { Handler } from './thread.ts'

/** In the order in which a relay goes through them. Numbers, because this is the hot path. */
export const stage = {
  /** Taken over; the first event will say whether the client has spoken already. */
  fresh: 0,
  connecting: 1,
  established: 2,
  halfClosed: 3,
  closing: 4,
  gone: 5,
} as const
export type Stage = (typeof stage)[keyof typeof stage]

export const stageStates: { readonly [S in Stage]: ConnectionState } = {
  0: 'SYN_SENT',
  1: 'SYN_SENT',
  2: 'ESTABLISHED',
  3: 'FIN_WAIT',
  4: 'CLOSE',
  5: 'CLOSE',
}

/** What a side's events and turns are told to. */
export interface Pump {
  onEvents(side: Side, flags: number): void
  move(from: Side): void
  abort(relay: Relay): void
}

export class Side implements Handler {
  /** -1 while there is no socket. */
  fd: number
  readonly relay: Relay
  readonly isClient: boolean
  peer: Side = this
  /** An edge said so, and no read has emptied the socket since. */
  canRead = false
  /** The other end has sent its FIN: read up to it. */
  hasHungUp = false
  /** Read up to its FIN. */
  isEnded = false
  /** Waits to be sent here. Its source is not read meanwhile. */
  held: Held | undefined = undefined
  readonly #pump: Pump

  constructor(relay: Relay, fd: number, isClient: boolean, pump: Pump) {
    this.relay = relay
    this.fd = fd
    this.isClient = isClient
    this.#pump = pump
  }

  onEvents(flags: number): void {
    this.#pump.onEvents(this, flags)
  }

  onFault(): void {
    this.#pump.abort(this.relay)
  }

  /** After a turn that ended for fairness' sake. */
  resume(): void {
    if (this.relay.stage !== stage.gone) this.#pump.move(this)
  }
}

export class Relay {
  readonly client: Side
  readonly server: Side
  /** Of the ledger, by which the threads know services and servers. */
  readonly serviceSlot: number
  serverSlot: number
  /** The slot of the persistence template under which it stands, or 0. */
  template: number
  stage: Stage = stage.fresh
  /** When bytes last moved. */
  lastMs: number
  /** Where it stands in the list of all. */
  index = 0
  /** Slots of servers that could not be reached. */
  tried: number[] | undefined = undefined

  constructor({ fd, serviceSlot, serverSlot, template }: Placed, nowMs: number, pump: Pump) {
    this.client = new Side(this, fd, true, pump)
    this.server = new Side(this, -1, false, pump)
    this.client.peer = this.server
    this.server.peer = this.client
    this.serviceSlot = serviceSlot
    this.serverSlot = serverSlot
    this.template = template
    this.lastMs = nowMs
  }
}
