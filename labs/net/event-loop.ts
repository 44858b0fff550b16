/** How long the event loop of a director that runs was held up, as its metrics tell. */
import { once } from 'node:events'
import { request } from 'node:http'
import { text } from 'node:stream/consumers'

/** Milliseconds, since it was asked last; NaN the first time, when measuring begins. */
export type LoopDelay = { readonly longest: number; readonly p99: number }

/** `socketPath`: of its API. */
export async function eventLoopDelay(socketPath: string): Promise<LoopDelay> {
  const asked = request({ socketPath, path: '/metrics' }).end()
  const [answer] = (await once(asked, 'response')) as [NodeJS.ReadableStream]
  const metrics = await text(answer)
  const value = (name: string): number =>
    Math.round(1000 * Number(new RegExp(`^nodejs_eventloop_lag_${name}_seconds (\\S+)$`, 'mu').exec(metrics)?.[1]))
  return { longest: value('max'), p99: value('p99') }
}
