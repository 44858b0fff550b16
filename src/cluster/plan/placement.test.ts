import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { type PlaceableGuest, type PlaceableHost, type Placement, placeGuests } from './placement.ts'

const mebibyte = 1024 ** 2
const host = (name: string, memory: number, vcpus = 100, disk = 1e6): PlaceableHost => ({
  name,
  capacity: { memoryBytes: memory * mebibyte, vcpus, diskBytes: disk * mebibyte },
})
const guest = (name: string, memory: number, more: Partial<PlaceableGuest> = {}): PlaceableGuest => ({
  name,
  kind: name.replace(/-\d+$/, ''),
  memoryBytes: memory * mebibyte,
  vcpus: 1,
  diskBytes: 0,
  ...more,
})
const pool = (name: string, count: number, memory: number): PlaceableGuest[] =>
  Array.from({ length: count }, (_, index) => guest(`${name}-${index + 1}`, memory))
const hostsOf = ({ hosts }: Placement): Record<string, string> => Object.fromEntries(hosts)

describe('where guests are placed', () => {
  test('like guests are kept apart, and the emptier host comes first', () => {
    const placed = placeGuests([host('a', 1000), host('b', 2000)], [...pool('web', 3, 100), guest('db', 500)])
    expect(hostsOf(placed)).toEqual({ db: 'a', 'web-1': 'b', 'web-2': 'a', 'web-3': 'b' })
  })

  test('nobody moves for a new host, and those of a host that is gone do', () => {
    const guests = pool('web', 4, 100).map((one, index) => ({ ...one, current: index < 2 ? 'a' : 'gone' }))
    expect(hostsOf(placeGuests([host('a', 1000), host('b', 1000)], guests))).toEqual({
      'web-1': 'a',
      'web-2': 'a',
      'web-3': 'b',
      'web-4': 'b',
    })
  })

  test('what fits only tightly is packed, though it is not apart then', () => {
    const guests = [...pool('web', 2, 300), guest('db', 700)]
    const placed = placeGuests([host('a', 700), host('b', 600)], guests)
    expect(placed).toEqual({ hosts: new Map([['web-1', 'b'], ['web-2', 'b'], ['db', 'a']]), lacks: [] }) // biome-ignore format: one line
  })

  test.each([
    {
      name: 'what lacks is said for each host',
      hosts: [host('a', 100), host('b', 1000, 2)],
      guests: [guest('web', 300, { vcpus: 4 })],
      lacks: 'web fits nowhere: a lacks 200M of memory, b lacks 2 vcpus',
    },
    {
      name: 'of many hosts some are named',
      hosts: ['a', 'b', 'c', 'd', 'e', 'f'].map((name) => host(name, 100, 1, 5)),
      guests: [guest('web', 50, { diskBytes: 6 * mebibyte })],
      lacks:
        'web fits nowhere: a lacks 1M of disk, b lacks 1M of disk, c lacks 1M of disk, d lacks 1M of disk, and so on for 2 more',
    },
    {
      name: 'one that is bound to a full host is not put elsewhere',
      hosts: [host('a', 100), host('b', 1000)],
      guests: [guest('web', 300, { allowed: ['a'] })],
      lacks: 'web fits nowhere: a lacks 200M of memory',
    },
    {
      name: 'no host is allowed',
      hosts: [host('a', 100)],
      guests: [guest('web', 1, { allowed: [] })],
      lacks: 'web may run on none of the hosts',
    },
  ])('$name', ({ hosts, guests, lacks }) => {
    expect(placeGuests(hosts, guests).lacks).toEqual([lacks])
  })
})

const anyHosts = fc
  .array(fc.record({ memory: fc.integer({ min: 0, max: 4000 }), vcpus: fc.integer({ min: 0, max: 32 }) }), {
    minLength: 1,
    maxLength: 8,
  })
  .map((all) => all.map(({ memory, vcpus }, index) => host(`h${index}`, memory, vcpus)))
const anyGuests = fc
  .array(
    fc.record({
      kind: fc.constantFrom('web', 'db', 'mail'),
      memory: fc.integer({ min: 1, max: 900 }),
      vcpus: fc.integer({ min: 1, max: 4 }),
      current: fc.constantFrom(undefined, 'h0', 'h1', 'h2', 'gone'),
    }),
    { maxLength: 40 },
  )
  .map((all) =>
    all.map(({ kind, memory, vcpus, current }, index) =>
      guest(`g${index}`, memory, { kind, vcpus, ...(current === undefined ? {} : { current }) }),
    ),
  )

describe('whatever hosts and guests there are', () => {
  test('nothing is over its capacity, and each guest is placed or said to lack', () => {
    fc.assert(
      fc.property(anyHosts, anyGuests, (hosts, guests) => {
        const placed = placeGuests(hosts, guests)
        expect(placed.hosts.size + placed.lacks.length).toBe(guests.length)
        for (const { name, capacity } of hosts) {
          const here = guests.filter((one) => placed.hosts.get(one.name) === name)
          expect(here.reduce((sum, one) => sum + one.memoryBytes, 0)).toBeLessThanOrEqual(capacity.memoryBytes)
          expect(here.reduce((sum, one) => sum + one.vcpus, 0)).toBeLessThanOrEqual(capacity.vcpus)
        }
      }),
    )
  })

  test('nobody moves when nothing has changed, and only who has to when a host goes', () => {
    fc.assert(
      fc.property(anyHosts, anyGuests, (hosts, guests) => {
        const first = placeGuests(hosts, guests)
        const standing = guests.flatMap((one) => {
          const current = first.hosts.get(one.name)
          return current === undefined ? [] : [{ ...one, current }]
        })
        expect(placeGuests(hosts, standing).hosts).toEqual(
          new Map(standing.map(({ name, current }) => [name, current])),
        )
        const left = hosts.slice(1)
        for (const [name, now] of placeGuests(left, standing).hosts) {
          const was = first.hosts.get(name)
          if (was !== hosts[0]?.name) expect(now).toBe(was)
        }
      }),
    )
  })

  test('with room everywhere, no two hosts differ by more than one of a kind', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 9 }),
        fc.array(fc.integer({ min: 1, max: 30 }), { maxLength: 3 }),
        (count, pools) => {
          const hosts = Array.from({ length: count }, (_, index) => host(`h${index}`, 1e9))
          const guests = pools.flatMap((size, index) => pool(`p${index}`, size, 10 + index))
          const { hosts: placed } = placeGuests(hosts, guests)
          for (const index of pools.keys()) {
            const numbers = hosts.map(
              ({ name }) => guests.filter((one) => one.kind === `p${index}` && placed.get(one.name) === name).length,
            )
            expect(Math.max(...numbers) - Math.min(...numbers)).toBeLessThanOrEqual(1)
          }
        },
      ),
    )
  })
})
