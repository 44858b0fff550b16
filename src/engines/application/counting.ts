/** What a request moves and how long it counts on its server. */
import { type Context, letGo } from './context.ts'
import type { Exchange } from './model.ts'

/** Adds what its server's connection has carried since the last time. */
export function settle({ ledger }: Context, exchange: Exchange): void {
  const { upstream, on, counted } = exchange
  const socket = upstream?.socket
  if (socket === undefined || socket === null || on === undefined || exchange.phase === 'connecting') return
  const moved = { in: socket.bytesWritten - counted.in, out: socket.bytesRead - counted.out }
  if (moved.in > 0) ledger.addIn(on.server.slot, moved.in)
  if (moved.out > 0) ledger.addOut(on.server.slot, moved.out)
  exchange.counted = { in: counted.in + moved.in, out: counted.out + moved.out }
}

/** It counts on its server no more. */
export function release(context: Context, exchange: Exchange): void {
  if (!context.running.delete(exchange.running)) return
  settle(context, exchange)
  exchange.phase = 'done'
  if (exchange.on !== undefined) letGo(context, exchange.on, true)
}
