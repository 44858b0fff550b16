import { describe, expect, test } from 'vitest'
import { fakeTiming } from '../../health/fake-timing.ts'
import type { ClusterServices, EventRecord, NotifySink } from '../control.ts'
import type { DirectorEvent } from '../events.ts'
import { type Notifier, openNotifier } from './notifier.ts'
import { type Outcome, sinkName, wants } from './sink.ts'

const hook: NotifySink = { kind: 'webhook', url: 'https://hooks.example.org/secret' }
const command: NotifySink = { kind: 'command', argv: ['/usr/bin/page', '--token', 'secret'] }
const put = (cluster: string): DirectorEvent => ({ kind: 'cluster.put', cluster, services: 1 })
const shop = (...notify: NotifySink[]): ClusterServices => ({ cluster: 'shop', services: [], notify })

type Told = { readonly name: string; readonly kind: string; readonly key: string; readonly atMs: number }

function openWorld(answer: (sink: NotifySink, record: EventRecord) => Outcome | Promise<Outcome> = () => delivered) {
  const timing = fakeTiming()
  const told: Told[] = []
  const lost: string[] = []
  const tried: string[] = []
  let last = 0
  let most = 0
  let now = 0
  const notifier: Notifier = openNotifier({
    timing,
    life: 'L',
    onLost: (to, count, reason) => lost.push(`${to} ${count}: ${reason}`),
    onTried: (cluster, kind, result) => tried.push(`${cluster} ${kind} ${result}`),
    deliver: async (sink, record, { key, signal }) => {
      most = Math.max(most, ++now)
      told.push({ name: sink.kind, kind: record.event.kind, key, atMs: timing.now() })
      try {
        const late = new Promise<Outcome>((resolve) =>
          signal.addEventListener('abort', () => resolve(failed('late')), { once: true }),
        )
        return await Promise.race([answer(sink, record), late])
      } finally {
        now -= 1
      }
    },
  })
  const tell = (event: DirectorEvent, clusters?: readonly string[]): void =>
    notifier.tell({ id: ++last, at: '', event }, clusters)
  return { notifier, timing, told, lost, tried, tell, most: () => most }
}
const delivered: Outcome = { kind: 'delivered' }
const failed = (reason: string, retryable = true): Outcome => ({ kind: 'failed', reason, retryable })
const never = new Promise<Outcome>(() => {})

describe('notifier', () => {
  test('each sink is told what it asks for of its cluster, each event under a key of its own', async () => {
    const { notifier, timing, told, tell } = openWorld()
    notifier.follow([shop(hook, { ...command, events: ['server.drained'] }), { cluster: 'other', services: [] }])
    tell(put('shop'))
    tell(put('other'))
    tell({ kind: 'server.drained', target: { guest: 'web-1' }, servers: 1 }, ['shop'])
    await timing.advance(0)
    expect(told.map(({ name, kind, key }) => [name, kind, key])).toEqual([
      ['webhook', 'cluster.put', 'L/1'],
      ['command', 'server.drained', 'L/3'],
      ['webhook', 'server.drained', 'L/3'],
    ])
    await notifier[Symbol.asyncDispose]()
  })

  test('one that fails is tried again with the same key, and holds up no other sink', async () => {
    let failures = 2
    const world = openWorld(({ kind }) => (kind === 'webhook' && failures-- > 0 ? failed('HTTP 500') : delivered))
    const { notifier, timing, told, tried, tell } = world
    notifier.follow([shop(hook, command)])
    tell(put('shop'))
    await timing.advance(60_000)
    expect(told.map(({ name, key, atMs }) => [name, key, atMs])).toEqual([
      ['webhook', 'L/1', 0],
      ['command', 'L/1', 0],
      ['webhook', 'L/1', 1000],
      ['webhook', 'L/1', 3000],
    ])
    expect(tried.filter((text) => text.includes('webhook'))).toEqual([
      'shop webhook failed',
      'shop webhook failed',
      'shop webhook delivered',
    ])
    await notifier[Symbol.asyncDispose]()
    expect(timing.pending()).toBe(0)
  })

  test('one that never answers is given up at its deadline, a command later than a webhook', async () => {
    const { notifier, timing, told, lost, tell } = openWorld(() => never)
    notifier.follow([shop(hook, command)])
    tell(put('shop'))
    await timing.advance(35_000)
    expect(told.map(({ name, atMs }) => [name, atMs])).toEqual([
      ['webhook', 0],
      ['command', 0],
      ['webhook', 11_000],
      ['webhook', 23_000],
      ['command', 31_000],
    ])
    await timing.advance(600_000)
    expect(lost).toHaveLength(2)
    await notifier[Symbol.asyncDispose]()
  })

  test('no more than four deliveries are under way at once', async () => {
    const world = openWorld(() => never)
    const { notifier, timing, tell } = world
    notifier.follow([shop(...Array.from({ length: 9 }, (_, at) => ({ ...hook, url: `https://h${at}/` })))])
    tell(put('shop'))
    await timing.advance(60_000)
    expect(world.most()).toBe(4)
    const ended = notifier[Symbol.asyncDispose]()
    await timing.advance(2000)
    await ended
  })

  test('a cluster that goes still tells of its going, and what failed is tried again, then its sinks are gone', async () => {
    let isUp = false
    const { notifier, timing, told, tell } = openWorld(() => (isUp ? delivered : failed('HTTP 503')))
    notifier.follow([shop(hook)])
    tell(put('shop'))
    await timing.advance(0)
    notifier.follow([])
    tell({ kind: 'cluster.removed', cluster: 'shop', services: 1 })
    notifier.settle()
    tell(put('shop'))
    isUp = true
    await timing.advance(60_000)
    expect(told.map(({ kind }) => kind)).toEqual(['cluster.put', 'cluster.put', 'cluster.removed'])
    await notifier[Symbol.asyncDispose]()
  })

  test('a cluster that is put again with the same sinks keeps what waits for them', async () => {
    const { notifier, timing, told, tell } = openWorld(() => failed('HTTP 503'))
    notifier.follow([shop(hook)])
    tell(put('shop'))
    await timing.advance(0)
    notifier.follow([shop(structuredClone(hook))])
    notifier.settle()
    tell(put('shop'))
    await timing.advance(1500)
    expect(told.map(({ key }) => key)).toEqual(['L/1', 'L/1'])
    await notifier[Symbol.asyncDispose]()
  })

  test('at the end what waits has two seconds, and what is left is said', async () => {
    const world = openWorld(({ kind }) => (kind === 'webhook' ? delivered : never))
    const { notifier, timing, told, lost, tell } = world
    notifier.follow([shop(hook, command)])
    for (let count = 0; count < 3; count += 1) tell(put('shop'))
    const ended = notifier[Symbol.asyncDispose]()
    await timing.advance(2000)
    await ended
    expect(told.filter(({ name }) => name === 'webhook')).toHaveLength(3)
    expect(lost).toEqual(['command /usr/bin/page 3: the director ended'])
    expect(timing.pending()).toBe(0)
  })

  test('what is lost is said once, and never told to a sink as an event of its own', async () => {
    const { notifier, timing, told, lost, tell } = openWorld(() => failed('HTTP 410', false))
    notifier.follow([shop(hook)])
    tell(put('shop'))
    tell({ kind: 'events.lost', to: 'webhook x', lost: 1, reason: '' })
    await timing.advance(1000)
    expect(told).toHaveLength(1)
    expect(lost).toEqual(['webhook https://hooks.example.org 1: given up after 1 try: HTTP 410'])
    await notifier[Symbol.asyncDispose]()
  })

  test('results of checks are wanted only by those who name them', () => {
    const { notifier } = openWorld()
    notifier.follow([shop(hook)])
    expect(notifier.wantsResults()).toBe(false)
    notifier.follow([shop({ ...hook, events: ['check.result'] })])
    expect(notifier.wantsResults()).toBe(true)
    const about = { cluster: 'shop', service: 'www', server: '', guest: undefined }
    const result: DirectorEvent = { kind: 'check.result', ...about, healthy: true, detail: '', tookMs: 1 }
    const asks = (sink: NotifySink): boolean =>
      wants({ cluster: 'shop', sink }, { id: 1, at: '', event: result }, undefined)
    expect([asks(hook), asks({ ...hook, events: ['check.result'] })]).toEqual([false, true])
  })

  test.each([
    { sink: hook, name: 'webhook https://hooks.example.org' },
    {
      sink: { kind: 'webhook' as const, url: 'http://me:secret@[::1]:9000/x?token=secret' },
      name: 'webhook http://[::1]:9000',
    },
    { sink: command, name: 'command /usr/bin/page' },
    { sink: { kind: 'command' as const, argv: ['/bin/sh', '-c', 'curl -H "X: secret" x'] }, name: 'command curl' },
  ])('people are told of $name, and nothing that may be secret', ({ sink, name }) => {
    expect(sinkName(sink)).toBe(name)
  })
})
