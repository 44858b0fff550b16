/** What a request moves and how long it counts on its server. */
import { type Context, letGo } from './context.ts'
import type { Exchange } from './model.ts'
import { end } from './running.ts'

/** Adds what its server's connection has carried since the last time. */
export function settle({ ledger }: Context, exchange: Exchange): void {
  const { upstream, on, counted } = exchange
  const socket = upstream?.socket
  if (socket === undefined || socket === null || on === undefined || exchange.phase === 'connecting') return
  const { bytesWritten, bytesRead } = socket
  if (bytesWritten > counted.in) ledger.addIn(on.server.slot, bytesWritten - counted.in)
  if (bytesRead > counted.out) ledger.addOut(on.server.slot, bytesRead - counted.out)
  counted.in = bytesWritten
  counted.out = bytesRead
}

/** It counts on its server no more. */
export function release(context: Context, exchange: Exchange): void {
  if (!end(context.running, exchange)) return
  settle(context, exchange)
  exchange.phase = 'done'
  if (exchange.on !== undefined) letGo(context, exchange.on, true)
}
