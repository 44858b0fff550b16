import { describe, expect, test } from 'vitest'
import type { EventRecord } from '../director/control.ts'
import { fakeTiming } from '../health/fake-timing.ts'
import { eventStream, heartbeatMs } from './event-stream.ts'

const record = (id: number): EventRecord => ({
  id,
  at: '1970-01-01T00:00:00.000Z',
  event: { kind: 'cluster.put', cluster: 'two\nlines', services: 1 },
})

describe('event stream', () => {
  test('says that it listens, then each record in two lines with its number', async () => {
    const stream = eventStream(
      (async function* () {
        yield record(1)
        yield record(2)
      })(),
      fakeTiming(),
    ).setEncoding('utf8')
    let text = ''
    for await (const piece of stream) text += piece as string
    const [hello, ...records] = text.trimEnd().split('\n\n')
    expect(hello).toMatch(/^: /)
    expect(records.map((said) => said.split('\n'))).toEqual([
      ['id: 1', `data: ${JSON.stringify(record(1))}`],
      ['id: 2', `data: ${JSON.stringify(record(2))}`],
    ])
  })

  test('gives a sign of life while nothing happens, and leaves no timer behind', async () => {
    const timing = fakeTiming()
    const stream = eventStream({ [Symbol.asyncIterator]: () => ({ next: () => new Promise(() => {}) }) }, timing)
    let text = ''
    stream.setEncoding('utf8').on('data', (piece: string) => (text += piece))
    await timing.advance(heartbeatMs - 1)
    expect(text).not.toContain(': \n\n')
    await timing.advance(heartbeatMs + 1)
    expect(text.match(/: \n\n/g)).toHaveLength(2)
    stream.destroy()
    await timing.advance(0)
    expect(timing.pending()).toBe(0)
  })

  test('records are taken no faster than they are read', async () => {
    let taken = 0
    const stream = eventStream(
      (async function* () {
        for (;;) yield record(++taken)
      })(),
      fakeTiming(),
    )
    await fakeTiming().advance(0)
    const before = taken
    expect(before).toBeLessThan(1000)
    await fakeTiming().advance(0)
    expect(taken).toBe(before)
    stream.destroy()
  })
})
