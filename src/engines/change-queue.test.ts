import { expect, test } from 'vitest'
import type { PortableConnection } from '../lvs/portable-connection.ts'
import { ChangeQueue } from './change-queue.ts'
import type { ChangedConnections } from './engine.ts'

const connection = (port: number, state: PortableConnection['state'] = 'ESTABLISHED'): PortableConnection => ({
  kind: 'connection',
  protocol: 'tcp',
  client: { address: '198.51.100.7', port },
  service: { address: '192.0.2.1', port: 80 },
  server: { address: '10.9.0.2', port: 80 },
  mark: 0,
  forwarding: 'masq',
  isInputOnly: false,
  state,
  timeoutSeconds: 900,
})

async function next(batches: AsyncIterator<ChangedConnections>): Promise<ChangedConnections | undefined> {
  const { value, done } = await batches.next()
  return done === true ? undefined : value
}

test('each stands in it once, as it was known last; what has no room is counted', async () => {
  const queue = new ChangeQueue(2)
  const batches = queue.batches(new AbortController().signal)[Symbol.asyncIterator]()
  for (const one of [connection(1), connection(2), connection(3), connection(1, 'FIN_WAIT')]) queue.put(one)
  expect(await next(batches)).toEqual({ connections: [connection(1, 'FIN_WAIT'), connection(2)], dropped: 1 })
  queue.put(connection(3))
  expect(await next(batches)).toEqual({ connections: [connection(3)], dropped: 0 })
})

test('whoever waits is woken by a change, and by the end', async () => {
  const ending = new AbortController()
  const queue = new ChangeQueue()
  const batches = queue.batches(ending.signal)[Symbol.asyncIterator]()
  const first = next(batches)
  queue.put(connection(1))
  expect((await first)?.connections).toHaveLength(1)
  const last = next(batches)
  ending.abort()
  expect(await last).toBeUndefined()
  expect(queue.isClosed).toBe(true)
})
