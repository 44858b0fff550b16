/** Long lists that come one by one, handed on in batches; whoever else waits for this thread has a turn after each. */
import { setImmediate } from 'node:timers/promises'

const most = 512

export async function* inBatches<T>(items: AsyncIterable<T>): AsyncGenerator<readonly T[]> {
  let batch: T[] = []
  for await (const item of items) {
    batch.push(item)
    if (batch.length < most) continue
    yield batch
    batch = []
    await setImmediate()
  }
  if (batch.length > 0) yield batch
}
