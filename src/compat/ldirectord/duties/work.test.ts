import { describe, expect, test } from 'vitest'
import { buildFollowed, buildPlan, server, service, statusOf } from '../../../../test/build/ldirectord.ts'
import type { DirectorStatus, EventQuery, EventRecord } from '../../../director/control.ts'
import type { DirectorEvent } from '../../../director/events.ts'
import { fakeTiming } from '../../../health/fake-timing.ts'
import type { Mail } from './alerts.ts'
import type { WorkPlan } from './plan.ts'
import { openWork } from './work.ts'

const about = { cluster: 'web.cf', service, server, guest: undefined }
const put: DirectorEvent = { kind: 'cluster.put', cluster: 'web.cf', services: 1 }
const failed: readonly DirectorEvent[] = [
  { ...about, kind: 'server.health', from: 'healthy', to: 'unhealthy', reason: 'refused', after: 1 },
  { ...about, kind: 'server.removed', from: 5, to: undefined, reason: 'its check fails' },
]

/** A director that says what it is told to say. */
function openWorld(
  plan: WorkPlan,
  { standing = statusOf({ health: 'healthy', weight: 5 }), onRegain = () => {} } = {},
) {
  const timing = fakeTiming()
  const queries: EventQuery[] = []
  const lines: string[] = []
  const mails: Mail[] = []
  const appended: string[] = []
  let waiting: EventRecord[] = []
  let isBroken = false
  let wake = (): void => {}
  let last = 0
  const world = {
    timing, queries, lines, mails, appended,
    life: 'first',
    standing,
    intervals: 0,
    async tell(...events: readonly DirectorEvent[]) {
      for (const event of events) waiting.push({ id: (last += 1), at: '2026-11-30T00:00:01.000Z', event })
      wake()
      await timing.advance(0)
    },
    /** The stream ends, as when the director is killed. */
    async breakOff() {
      isBroken = true
      wake()
      await timing.advance(0)
    },
  } // biome-ignore format: the names of the world
  async function* events(query: EventQuery): AsyncGenerator<EventRecord> {
    queries.push(query)
    query.signal.addEventListener('abort', () => wake())
    while (!query.signal.aborted) {
      if (isBroken) {
        isBroken = false
        throw new Error('the stream was cut')
      }
      const [next, ...rest] = waiting
      waiting = rest
      if (next !== undefined) yield next
      else await new Promise<void>((resolve) => (wake = resolve))
    }
  }
  const work = openWork({
    director: {
      events,
      status: () =>
        Promise.resolve({ services: world.standing, startedAt: world.life, pid: 1 } as unknown as DirectorStatus),
    },
    cluster: 'web.cf',
    plan,
    ports: {
      log: (message) => lines.push(message),
      append: (path, text) => {
        if (path === '/full') throw new Error('no space')
        appended.push(`${path} ${text.replace(/^\[.*?\] /, '')}`)
      },
      mail: (mail) => mails.push(mail),
      timing,
      now: () => new Date('2026-11-30T00:00:00Z'),
      pid: 42,
      hostName: 'lb1',
    },
    regain: () => Promise.resolve(onRegain()),
    onInterval: () => {
      world.intervals += 1
      return Promise.resolve()
    },
  })
  return { world, work }
}

const mailing = buildFollowed({ mail: { to: ['ops@x'], everySeconds: 5, states: ['running'] } })

describe('the work beside a director', () => {
  test('logs what happens, mails it once the start is over, and repeats it by the clock', async () => {
    const { world, work } = openWorld(buildPlan(mailing), { standing: [] })
    await using _work = await work
    await world.tell(
      { cluster: 'web.cf', service, kind: 'service.added' },
      { ...about, kind: 'server.health', from: 'unknown', to: 'healthy', reason: '', after: 1 },
      { ...about, kind: 'server.added', from: undefined, to: 5, reason: '' },
      put,
    )
    expect(world.lines).toEqual([
      'Added virtual server: 10.0.0.1:80',
      `Added real server: ${server} (10.0.0.1:80) (Weight set to 5)`,
    ])
    expect(world.mails).toEqual([])
    await world.tell(...failed)
    expect(world.lines.slice(2)).toEqual([
      `Deleted real server: ${server} (10.0.0.1:80)`,
      `emailalert: Deleted real server: ${server} (10.0.0.1:80)`,
    ])
    await world.timing.advance(4900)
    expect(world.mails.map(({ subject }) => subject)).toEqual([`Deleted real server: ${server} (10.0.0.1:80)`])
    await world.timing.advance(1100)
    expect(world.mails.map(({ subject }) => subject).slice(1)).toEqual([
      `Inaccessible real server: ${server} (10.0.0.1:80)`,
    ])
    expect(world.intervals).toBeGreaterThan(4)
  })

  test('a reload is over when its services were put, and not before', async () => {
    const plan = buildPlan(buildFollowed({ mail: { to: ['ops@x'], states: ['reloading'] } }))
    const { world, work } = openWorld(plan)
    await using working = await work
    await world.tell(put)
    working.follow(plan)
    await world.tell(...failed)
    expect(world.mails.map(({ text }) => /Daemon-Status: (.*)/.exec(text)?.[1])).toEqual(['reloading'])
    await world.tell(put, { ...about, kind: 'server.health', from: 'unhealthy', to: 'healthy', reason: '', after: 1 })
    await world.tell({ ...about, kind: 'server.added', from: undefined, to: 5, reason: '' }, ...failed)
    expect(world.mails).toHaveLength(1)
  })

  test('what was before it came is no news, and results are asked for only where they are written down', async () => {
    const { world, work } = openWorld(buildPlan(buildFollowed({})))
    await using _work = await work
    expect(world.lines).toEqual([])
    expect(world.queries).toMatchObject([{ cluster: 'web.cf', after: 0, results: false }])
  })

  test('writes results down, and says once that it cannot', async () => {
    const result = (healthy: boolean, detail: string): DirectorEvent => ({
      ...about,
      kind: 'check.result',
      healthy,
      detail,
      tookMs: 1,
    })
    const { world, work } = openWorld(buildPlan(buildFollowed({ monitorFile: '/mon' })))
    await using working = await work
    expect(world.queries).toMatchObject([{ results: true }])
    await world.tell(result(true, '200 OK'), result(false, ''))
    await world.tell({ ...about, kind: 'server.health', from: 'healthy', to: 'maintenance', reason: '', after: 1 })
    expect(world.appended).toEqual([
      `/mon [42] connect tcp ${server} [up] 200 OK\n`,
      `/mon [42] connect tcp ${server} [down] -\n`,
      `/mon [42] connect tcp ${server} [down] Server in maintenance\n`,
    ])
    working.follow(buildPlan(buildFollowed({ monitorFile: '/full' })))
    await world.tell(result(true, ''), result(true, ''))
    expect(world.lines).toEqual(["Error writing to monitorfile '/full': no space"])
    working.follow(buildPlan(buildFollowed({})))
    await world.timing.advance(0)
    expect(world.queries.map(({ results }) => results)).toEqual([true, false])
  })

  test('follows a director that was brought back, from its beginning when it is another', async () => {
    let regained = 0
    const { world, work } = openWorld(buildPlan(buildFollowed({})), { onRegain: () => void (regained += 1) })
    await using _work = await work
    await world.tell(put)
    world.life = 'second'
    world.standing = statusOf({ health: 'unhealthy', weight: undefined })
    await world.breakOff()
    await world.timing.advance(100)
    expect(regained).toBe(1)
    expect(world.queries.map(({ after }) => after)).toEqual([0, 0])
    expect(world.lines).toEqual([
      'The director is not heard any more: the stream was cut',
      `Deleted real server: ${server} (10.0.0.1:80)`,
      'The director is followed again',
    ])
    // The same one: from where the stream was cut.
    await world.tell(put)
    await world.breakOff()
    await world.timing.advance(5000)
    expect(world.queries.map(({ after }) => after)).toEqual([0, 0, 2])
  })

  test('waits longer each time for a director that does not come back', async () => {
    let asked = 0
    const { world, work } = openWorld(buildPlan(buildFollowed({}), { intervalMs: 600_000 }), {
      onRegain: () => {
        asked += 1
        throw new Error('there is none')
      },
    })
    await using _work = await work
    await world.breakOff()
    await world.timing.advance(700)
    expect(asked).toBe(3)
    await world.timing.advance(60_000)
    expect(asked).toBeLessThan(20)
    expect(world.lines).toHaveLength(1)
  })

  test('at a stop the last words are waited for, for a while', async () => {
    const { world, work } = openWorld(buildPlan(buildFollowed({})))
    const working = await work
    await world.tell(put)
    working.stop()
    let isTold = false
    void working.told().then(() => (isTold = true))
    await world.tell({ cluster: 'web.cf', service, kind: 'service.removed' })
    expect(isTold).toBe(false)
    await world.tell({ kind: 'cluster.removed', cluster: 'web.cf', services: 1 })
    expect(isTold).toBe(true)
    expect(world.lines).toEqual([
      `Purged real server (stop): ${server} (10.0.0.1:80)`,
      'Purged virtual server (stop): 10.0.0.1:80',
    ])
    const again = working.told()
    await world.timing.advance(3000)
    await again
    await working[Symbol.asyncDispose]()
    expect(world.timing.pending()).toBe(0)
  })
})
