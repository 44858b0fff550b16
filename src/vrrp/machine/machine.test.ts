import { describe, expect, test } from 'vitest'
import { router } from '../../../test/build/vrrp.ts'
import { defaultAnnouncing, type RouterConfig } from './config.ts'
import { type Happening, initialState, nextTickMs, type RouterEffect, type RouterState, step } from './machine.ts'

/** Words for effects: `+` the addresses come, `-` they go, `!3` all are told three times, `>150` an advertisement of that priority. */
const word = (effect: RouterEffect): string[] => {
  switch (effect.kind) {
    case 'advertise':
      return [`>${effect.priority}`]
    case 'claim':
      return ['+']
    case 'release':
      return ['-']
    case 'announce':
      return [`!${effect.times}`]
    case 'turned':
      return [effect.to]
    case 'conflict':
      return [`conflict with ${effect.from}`]
  }
}

class Play {
  state: RouterState
  atMs = 0
  readonly said: string[] = []
  readonly #config: RouterConfig

  constructor(changes: Partial<RouterConfig> = {}) {
    this.#config = router(changes)
    this.state = initialState(this.#config, 0)
  }

  do(event: Happening): string[] {
    const next = step(this.#config, this.state, { ...event, atMs: this.atMs })
    this.state = next.state
    const words = next.effects.flatMap(word)
    this.said.push(...words)
    return words
  }

  hear(priority: number, rest: { from?: string; own?: string; intervalMs?: number; path?: number } = {}): string[] {
    return this.do({ kind: 'heard', path: 0, from: '10.0.0.2', own: '10.0.0.1', intervalMs: 1000, priority, ...rest })
  }

  /** Lets time pass; every tick that is due is made. */
  pass(ms: number): string[] {
    const until = this.atMs + ms
    const words: string[] = []
    for (let due = nextTickMs(this.state); due !== undefined && due <= until; due = nextTickMs(this.state)) {
      this.atMs = due
      words.push(...this.do({ kind: 'tick' }))
    }
    this.atMs = until
    return words
  }

  static master(changes: Partial<RouterConfig> = {}): Play {
    const play = new Play({ announcing: { ...defaultAnnouncing, times: 0 }, ...changes })
    play.do({ kind: 'start' })
    play.pass(4000)
    expect(play.state.kind).toBe('master')
    return play
  }
}

describe('beginning, RFC 9568 §6.4.1', () => {
  test('the owner is master at once', () => {
    expect(new Play({ priority: 255 }).do({ kind: 'start' })).toEqual(['>255', '+', '!5', 'master'])
  })

  test('another waits for a master first', () => {
    const play = new Play()
    expect(play.do({ kind: 'start' })).toEqual(['backup'])
    expect(play.state.downAtMs).toBe(3000 + (156 * 1000) / 256)
  })
})

describe('a backup, §6.4.2', () => {
  test.each([
    { name: 'version 2, each second, priority 100', version: 2 as const, priority: 100, intervalMs: 1000, downMs: 3609.375 },
    { name: 'version 2, each three seconds: the skew stays below one second', version: 2 as const, priority: 1, intervalMs: 3000, downMs: 9996.09375 },
    { name: 'version 3, each second, priority 254', version: 3 as const, priority: 254, intervalMs: 1000, downMs: 3007.8125 },
    { name: 'version 3, each 100 ms', version: 3 as const, priority: 100, intervalMs: 100, downMs: 360.9375 },
    { name: 'version 3, each 10 ms', version: 3 as const, priority: 200, intervalMs: 10, downMs: 32.1875 },
  ])('$name: takes over after its time', ({ downMs, ...changes }) => {
    const play = new Play(changes)
    play.do({ kind: 'start' })
    play.pass(500)
    play.hear(255, { intervalMs: changes.intervalMs })
    expect(play.pass(downMs - 0.001)).toEqual([])
    expect(play.pass(0.001)).toEqual([`>${changes.priority}`, '+', '!5', 'master'])
  }) // biome-ignore format: a table

  test('it takes the interval of the master in version 3, and its own in version 2', () => {
    const [third, second] = [new Play(), new Play({ version: 2 })]
    for (const play of [third, second]) {
      play.do({ kind: 'start' })
      play.hear(200, { intervalMs: 100 })
    }
    expect(third.state.downAtMs).toBeCloseTo(360.9375)
    expect(second.state.downAtMs).toBeCloseTo(3609.375)
  })

  test('priority 0: only the skew is left', () => {
    const play = new Play()
    play.do({ kind: 'start' })
    play.hear(200)
    play.hear(0)
    expect(play.pass(609)).toEqual([])
    expect(play.pass(1)).toContain('master')
  })

  test.each([
    { name: 'a lower master is not heard, and the timer runs out', changes: {}, priority: 50, becomes: 'master' },
    { name: 'an equal one is heard', changes: {}, priority: 100, becomes: 'backup' },
    { name: 'without preemption a lower one is heard', changes: { preempts: false }, priority: 50, becomes: 'backup' },
  ])('$name', ({ changes, priority, becomes }) => {
    const play = new Play(changes)
    play.do({ kind: 'start' })
    for (let second = 0; second < 8; second++) {
      if (play.state.kind === 'backup') play.hear(priority)
      play.pass(1000)
    }
    expect(play.state.kind).toBe(becomes)
  })

  test('without preemption it takes over all the same when the master is gone', () => {
    const play = new Play({ preempts: false })
    play.do({ kind: 'start' })
    play.hear(50)
    expect(play.pass(3610)).toContain('master')
  })

  test('with a delay a lower master is borne until that is over', () => {
    const play = new Play({ preemptDelayMs: 5000 })
    play.do({ kind: 'start' })
    let seconds = 0
    for (; play.state.kind === 'backup' && seconds < 20; seconds++) {
      play.hear(50)
      play.pass(1000)
    }
    // Heard for the last time at 4 s, the timer runs from there.
    expect(seconds).toBe(8)
  })

  test('the delay begins anew when a higher master has been heard', () => {
    const play = new Play({ preemptDelayMs: 5000 })
    play.do({ kind: 'start' })
    play.hear(50)
    expect(play.state.preemptAtMs).toBe(5000)
    play.pass(1000)
    play.hear(200)
    expect(play.state.preemptAtMs).toBeUndefined()
  })

  test('a change of its priority moves its time', () => {
    const play = new Play()
    play.do({ kind: 'start' })
    play.do({ kind: 'tracked', priority: 228, faults: [] })
    expect(play.state.downAtMs).toBe(3000 + (28 * 1000) / 256)
  })
})

describe('a master, §6.4.3', () => {
  test('it advertises in its interval, whenever it gets to it', () => {
    const play = Play.master()
    const due = play.state.advertAtMs ?? 0
    play.atMs = due + 200
    expect(play.do({ kind: 'tick' })).toEqual(['>100'])
    expect(play.state.advertAtMs).toBe(due + 1000)
    play.atMs = due + 5000
    play.do({ kind: 'tick' })
    expect(play.state.advertAtMs).toBe(due + 6000)
  })

  test.each([
    { name: 'a higher one', priority: 200, from: '10.0.0.2', says: ['-', 'backup'] },
    { name: 'an equal one with the greater address', priority: 100, from: '10.0.0.2', says: ['-', 'backup'] },
    { name: 'an equal one with a greater address, as numbers', priority: 100, from: '10.0.0.10', own: '10.0.0.9', says: ['-', 'backup'] },
    { name: 'an equal one with the smaller address', priority: 100, from: '10.0.0.0', says: ['>100', '!5', 'conflict with 10.0.0.0'] },
    { name: 'a lower one', priority: 50, from: '10.0.0.2', says: ['>100', '!5', 'conflict with 10.0.0.2'] },
    { name: 'one that resigns', priority: 0, from: '10.0.0.2', says: ['>100'] },
  ])('hears $name', ({ says, priority, ...rest }) => {
    expect(Play.master().hear(priority, rest)).toEqual(says)
  }) // biome-ignore format: a table

  test('a lower one is answered without a word where that is wanted', () => {
    expect(Play.master({ answersLower: false }).hear(50)).toEqual(['conflict with 10.0.0.2'])
  })

  test('after a conflict all are told once more, but not for each advertisement of the other one', () => {
    const play = Play.master()
    expect(play.hear(50)).toContain('!5')
    expect(play.hear(50)).not.toContain('!5')
    expect(play.pass(5000).filter((one) => one === '!5')).toHaveLength(1)
    expect(play.hear(50)).toContain('!5')
  })

  test('the addresses are told when it begins, after five seconds, and then as often as it is to be refreshed', () => {
    const play = new Play({ announcing: { ...defaultAnnouncing, refreshMs: 30_000, refreshTimes: 2 } })
    play.do({ kind: 'start' })
    expect(play.pass(3700)).toEqual(['>100', '+', '!5', 'master'])
    expect(play.pass(5000).filter((one) => one.startsWith('!'))).toEqual(['!5'])
    expect(play.pass(60_000).filter((one) => one.startsWith('!'))).toEqual(['!2', '!2'])
  })

  test('two paths whose addresses contradict each other: the first decides', () => {
    const second = { path: 1, from: '10.1.0.2', own: '10.1.0.1' }
    const play = Play.master()
    expect(play.hear(100, { from: '10.0.0.0' })).toContain('conflict with 10.0.0.0')
    expect(play.hear(100, second)).not.toContain('backup')
    play.pass(5000)
    // The first path has been silent for long: now the second has to do.
    expect(play.hear(100, second)).toContain('backup')
  })
})

describe('ending, faults, and hands', () => {
  test('a master that ends says so before its addresses go', () => {
    expect(Play.master().do({ kind: 'stop' })).toEqual(['>0', '-', 'stopped'])
  })

  test('a backup that ends says nothing', () => {
    const play = new Play()
    play.do({ kind: 'start' })
    expect(play.do({ kind: 'stop' })).toEqual(['stopped'])
    expect(play.hear(0)).toEqual([])
    expect(play.pass(10_000)).toEqual([])
  })

  test('what is tracked and ill makes it leave; when that is over it waits as one that begins', () => {
    const play = Play.master()
    expect(play.do({ kind: 'tracked', priority: 100, faults: ['eth1 is ill'] })).toEqual(['>0', '-', 'fault'])
    expect(play.pass(60_000)).toEqual([])
    expect(play.do({ kind: 'tracked', priority: 100, faults: [] })).toEqual(['backup'])
    expect(play.pass(3610)).toContain('master')
  })

  test('one that begins with a fault is at fault', () => {
    const play = new Play()
    play.do({ kind: 'tracked', priority: 100, faults: ['eth1 is ill'] })
    expect(play.do({ kind: 'start' })).toEqual(['fault'])
  })

  test('one that hands over resigns, and leaves a lower master alone until it is asked back', () => {
    const play = Play.master()
    expect(play.do({ kind: 'yield' })).toEqual(['>0', '-', 'backup'])
    for (let second = 0; second < 20; second++) {
      play.hear(50)
      play.pass(1000)
    }
    expect(play.state.kind).toBe('backup')
    play.do({ kind: 'resume' })
    for (let second = 0; second < 5 && play.state.kind === 'backup'; second++) {
      play.hear(50)
      play.pass(1000)
    }
    expect(play.state.kind).toBe('master')
  })

  test('when nobody takes over it is master again', () => {
    const play = Play.master()
    play.do({ kind: 'yield' })
    expect(play.pass(3610)).toContain('master')
    expect(play.state.isYielding).toBe(false)
  })
})
