import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import type { EventQuery, EventRecord } from './control.ts'
import { type EventHub, eventHub } from './event-hub.ts'
import type { DirectorEvent } from './events.ts'

const put = (cluster: string, services = 1): DirectorEvent => ({ kind: 'cluster.put', cluster, services })
const result: DirectorEvent = {
  kind: 'check.result',
  cluster: 'shop',
  service: 'www',
  server: '127.0.0.1:1001',
  guest: undefined,
  healthy: true,
  detail: '',
  tookMs: 1,
}

function openHub(): EventHub & { readonly logged: DirectorEvent[] } {
  const logged: DirectorEvent[] = []
  return { ...eventHub({ now: () => new Date(0), onEvent: (event) => void logged.push(event) }), logged }
}

async function kept(hub: EventHub, query: Omit<EventQuery, 'signal'>): Promise<EventRecord[]> {
  const records: EventRecord[] = []
  const { signal } = new AbortController()
  for await (const record of hub.events({ ...query, follow: false, signal })) records.push(record)
  return records
}

/** Listens from now on; the records come when they are asked for. */
function listen(hub: EventHub, query: Omit<EventQuery, 'signal'> = {}) {
  const stop = new AbortController()
  const iterator = hub.events({ ...query, signal: stop.signal })[Symbol.asyncIterator]()
  let next = iterator.next()
  return {
    stop,
    async take(): Promise<EventRecord | undefined> {
      const { done, value } = await next
      if (done === true) return undefined
      next = iterator.next()
      return value
    },
  }
}

describe('event hub', () => {
  test('the last 1024 are kept, and who asks for more is told what he misses', async () => {
    const hub = openHub()
    for (let count = 1; count <= 1030; count += 1) hub.publish(put('shop', count))
    const [first, second, ...rest] = await kept(hub, { after: 0 })
    expect(first).toMatchObject({ id: 6, event: { kind: 'events.lost', lost: 6 } })
    expect(second?.id).toBe(7)
    expect(rest).toHaveLength(1023)
    expect(await kept(hub, { after: 6 })).toHaveLength(1024)
    expect((await kept(hub, { after: 4 }))[0]).toMatchObject({ event: { lost: 2 } })
  })

  test('a listener who does not take loses the oldest, is told how many, and holds up nobody', async () => {
    const hub = openHub()
    const slow = listen(hub)
    const quick = listen(hub)
    for (let count = 1; count <= 2000; count += 1) {
      hub.publish(put('shop', count))
      expect((await quick.take())?.id).toBe(count)
    }
    // The first was taken by the question that was open already.
    expect((await slow.take())?.id).toBe(1)
    expect(await slow.take()).toMatchObject({ id: 976, event: { kind: 'events.lost', lost: 975 } })
    for (let id = 977; id <= 2000; id += 1) expect((await slow.take())?.id).toBe(id)
    expect(hub.logged.filter(({ kind }) => kind === 'events.lost')).toHaveLength(1)
  })

  test('results of checks are wanted while somebody asks for them, neither logged nor kept, and only for him', async () => {
    const hub = openHub()
    expect(hub.wantsResults()).toBe(false)
    const all = listen(hub, { results: true })
    const some = listen(hub)
    expect(hub.wantsResults()).toBe(true)
    hub.publish(result)
    hub.publish(put('shop'))
    expect((await all.take())?.event.kind).toBe('check.result')
    expect((await some.take())?.event.kind).toBe('cluster.put')
    expect(hub.logged).toEqual([put('shop')])
    expect(await kept(hub, { after: 0, results: true })).toMatchObject([{ id: 2, event: { kind: 'cluster.put' } }])
    all.stop.abort()
    await all.take()
    await all.take()
    expect(hub.wantsResults()).toBe(false)
  })

  test('with the hub all that listen come to an end, after what waits for them', async () => {
    const hub = openHub()
    const listener = listen(hub)
    hub.publish(put('shop', 1))
    hub.publish(put('shop', 2))
    hub[Symbol.dispose]()
    expect([await listener.take(), await listener.take(), await listener.take()]).toMatchObject([
      { id: 1 },
      { id: 2 },
      undefined,
    ])
  })

  test('a listener who has enough gets nothing more', async () => {
    const hub = openHub()
    const listener = listen(hub)
    hub.publish(put('shop', 1))
    listener.stop.abort()
    hub.publish(put('shop', 2))
    await listener.take()
    expect(await listener.take()).toBeUndefined()
  })

  test('a cluster’s listener hears of it and of the whole, not of others nor of hands', async () => {
    const hub = openHub()
    const drained: DirectorEvent = { kind: 'server.drained', target: { guest: 'web-1' }, servers: 1 }
    const concerning: DirectorEvent[] = [
      put('shop'),
      { kind: 'engine.failed', service: 'tcp 127.0.0.1:1', reason: '' },
      { kind: 'settings.changed', settings: {} },
      { kind: 'intent.trouble', reason: '' },
    ]
    const others: DirectorEvent[] = [
      put('other'),
      { kind: 'service.added', cluster: undefined, service: 'tcp 127.0.0.1:1' },
      { kind: 'table.edited', edits: 1, refused: 0 },
    ]
    for (const event of [...concerning, ...others]) hub.publish(event)
    hub.publish(drained, ['other'])
    hub.publish(drained, ['other', 'shop'])
    const told = (await kept(hub, { after: 0, cluster: 'shop' })).map(({ event }) => event)
    expect(told).toEqual([...concerning, drained])
  })

  test('whatever is published and taken in whatever order, each is told once, in order, or counted as lost', async () => {
    const steps = fc.array(fc.oneof(fc.integer({ min: 1, max: 1500 }), fc.constant('take' as const)), { maxLength: 12 })
    await fc.assert(
      fc.asyncProperty(steps, async (taken) => {
        const hub = openHub()
        const listener = listen(hub)
        let published = 0
        let accounted = 0
        const account = (record: EventRecord | undefined): void => {
          accounted += record?.event.kind === 'events.lost' ? record.event.lost : 1
          expect(record?.id).toBe(accounted)
        }
        for (const step of taken)
          if (step !== 'take') for (let count = 0; count < step; count += 1) hub.publish(put('shop', ++published))
          else if (accounted < published) account(await listener.take())
        hub[Symbol.dispose]()
        for (let last = await listener.take(); last !== undefined; last = await listener.take()) account(last)
        expect(accounted).toBe(published)
      }),
      { numRuns: 50 },
    )
  })
})
