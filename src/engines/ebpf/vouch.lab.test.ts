/** What a director's word on kept ways is withdrawn for. As root: it makes a network namespace. */
import { execFileSync } from 'node:child_process'
import { describe, expect, test } from 'vitest'
import { enterNewNamespace } from '../../../labs/ebpf/world.ts'
import { layouts } from './layout.ts'
import { Vouch } from './vouch.ts'

const { at, bytes } = layouts.vouched

/** Ticks come when the test says so. */
async function openPlace() {
  const namespace = await enterNewNamespace()
  const memory = Buffer.from(new ArrayBuffer(bytes))
  const vouch = new Vouch({ bytes: memory, stride: bytes, entries: 1 })
  let nowMs = 0
  const generation = (): number => memory.readUInt32LE(at.generation)
  return {
    memory,
    generation,
    vouch,
    /** Whether the next tick, a moment later, says that ways are to be asked for anew. */
    isWithdrawn(ms = 1): boolean {
      const before = generation()
      nowMs += ms
      vouch.tick(nowMs)
      return generation() !== before
    },
    ip: (line: string): unknown => execFileSync('ip', ['-n', namespace.name, ...line.split(' ')]),
    async [Symbol.asyncDispose]() {
      vouch[Symbol.dispose]()
      await namespace[Symbol.asyncDispose]()
    },
  }
}

describe('a word on kept ways', () => {
  test('is given for a moment, and taken back at the end', async () => {
    await using place = await openPlace()
    const until = (): bigint => place.memory.readBigUInt64LE(at.until)
    expect(until()).toBe(0n)
    place.isWithdrawn()
    const given = until() - process.hrtime.bigint()
    expect(given > -1_000_000_000n && given <= 1_000_000_000n).toBe(true)
    place.vouch[Symbol.dispose]()
    expect(until()).toBe(0n)
  })

  test('is withdrawn for each change of links, addresses, routes, rules and neighbours, and after a while anyway', async () => {
    await using place = await openPlace()
    const settle = (): void => {
      while (place.isWithdrawn());
    }
    for (const line of [
      'link set lan mtu 1400',
      'address add 10.60.0.1/24 dev lan',
      'address add fd60::1/64 dev lan nodad',
      'route add 192.0.2.0/24 via 10.50.0.9',
      'route add 2001:db8:1::/48 via fd50::9',
      'rule add from 192.0.2.1 table 9',
      '-6 rule add from 2001:db8::1 table 9',
      'neighbour add 10.50.0.9 lladdr 02:00:00:00:00:09 dev lan nud reachable',
      'neighbour change 10.50.0.9 lladdr 02:00:00:00:00:0a dev lan nud reachable',
      'neighbour delete 10.50.0.9 dev lan',
      'neighbour add fd50::9 lladdr 02:00:00:00:00:09 dev lan nud stale',
      'link set lan down',
    ]) {
      settle()
      place.ip(line)
      expect(place.isWithdrawn(), line).toBe(true)
      // Once more: news of an end come before it.
      expect(place.isWithdrawn(), line).toBe(true)
      expect(place.isWithdrawn(), line).toBe(false)
    }
    settle()
    expect(place.isWithdrawn(1000)).toBe(true)
  })

  test('stays when a neighbour is heard from again', async () => {
    await using place = await openPlace()
    place.ip('neighbour add 10.50.0.9 lladdr 02:00:00:00:00:09 dev lan nud reachable')
    while (place.isWithdrawn());
    place.ip('neighbour change 10.50.0.9 lladdr 02:00:00:00:00:09 dev lan nud stale')
    place.ip('neighbour change 10.50.0.9 lladdr 02:00:00:00:00:09 dev lan nud reachable')
    expect(place.isWithdrawn()).toBe(false)
  })
})
