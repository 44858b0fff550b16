/** The entry of the thread of virtual routers: nothing that the director is busy with makes an advertisement late. */
import { type MessagePort, parentPort } from 'node:worker_threads'
import { serveCalls, type ThreadMessage } from '../engines/thread-messages.ts'
import { describeError } from '../errors.ts'
import type { Answer, Call } from './calls.ts'
import { Routers } from './routers.ts'
import type { VrrpEvent } from './status.ts'

async function run(port: MessagePort): Promise<void> {
  const say = (message: ThreadMessage<Answer, VrrpEvent>): void => port.postMessage(message, [])
  let routers: Routers
  try {
    routers = await Routers.open((event) => say({ kind: 'note', note: event }))
  } catch (error) {
    return say({ kind: 'cannot', reason: `no VRRP here: ${describeError(error)}` })
  }
  serveCalls<Call, Answer>(port, async (call) => {
    switch (call.kind) {
      case 'apply':
        return await routers.apply(call.spec)
      case 'status':
        return routers.status()
      case 'yield':
        return routers.yield(call.name)
      case 'resume':
        return routers.resume(call.name)
      case 'track':
        routers.track(call.name, call.state)
        return undefined
      case 'close':
        await routers[Symbol.asyncDispose]()
        port.close()
        return undefined
    }
  })
}

if (parentPort !== null) await run(parentPort)
