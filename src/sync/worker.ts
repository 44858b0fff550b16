/** The entry of the thread of the synchronisation: what comes from the network is looked at here first, whoever sends it. */
import { type MessagePort, parentPort } from 'node:worker_threads'
import { serveCalls, type ThreadMessage } from '../engines/thread-messages.ts'
import type { Answer, Call, Note } from './calls.ts'
import { Station } from './station.ts'

function run(port: MessagePort): void {
  const station = new Station((note) =>
    port.postMessage({ kind: 'note', note } satisfies ThreadMessage<Answer, Note>, []),
  )
  serveCalls<Call, Answer>(port, async (call) => {
    switch (call.kind) {
      case 'start':
        station.start(call.side)
        return undefined
      case 'stop':
        station.stop(call.role)
        return undefined
      case 'send':
        await station.send(call.messages)
        return undefined
      case 'complete':
        await station.say('master', 'complete')
        return undefined
      case 'request':
        await station.say('backup', 'request')
        return undefined
      case 'taken':
        station.taken()
        return undefined
      case 'counts':
        return station.counts()
      case 'close':
        station[Symbol.dispose]()
        port.close()
        return undefined
    }
  })
}

if (parentPort !== null) run(parentPort)
