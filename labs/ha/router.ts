/** A process with virtual routers and nothing else: the spec as JSON in, events and answers out, a line each; orders on standard input. */
import { createInterface } from 'node:readline'
import { describeError } from '../../src/errors.ts'
import type { VrrpSpec } from '../../src/vrrp/spec.ts'
import { openVrrp } from '../../src/vrrp/vrrp.ts'

type Order =
  | { readonly kind: 'apply'; readonly spec: VrrpSpec }
  | { readonly kind: 'yield' | 'resume' | 'status' | 'end' }
  | { readonly kind: 'track'; readonly name: string; readonly state: 'well' | 'ill' }

const say = (line: unknown): void => void process.stdout.write(`${JSON.stringify(line)}\n`)
const vrrp = await openVrrp((event) => say(event))
for await (const line of createInterface({ input: process.stdin })) {
  const order = JSON.parse(line) as Order
  try {
    if (order.kind === 'end') break
    if (order.kind === 'apply') say({ kind: 'done', troubles: await vrrp.apply(order.spec) })
    else if (order.kind === 'status') say({ kind: 'status', routers: await vrrp.status() })
    else if (order.kind === 'track') await vrrp.track(order.name, order.state)
    else say({ kind: 'done', count: await vrrp[order.kind](undefined) })
  } catch (error) {
    say({ kind: 'failed', reason: describeError(error) })
  }
}
await vrrp[Symbol.asyncDispose]()
process.exit()
