/** How long it takes to place 10,000 guests on 500 hosts from nothing, and again when a host goes. */
import { type PlaceableGuest, type PlaceableHost, placeGuests } from '../../src/cluster/plan/placement.ts'

const gibibyte = 1024 ** 3
const hosts: PlaceableHost[] = Array.from({ length: 500 }, (_, at) => ({
  name: `h${at}`,
  capacity: { memoryBytes: (48 + (at % 5) * 16) * gibibyte, vcpus: 128, diskBytes: 4000 * gibibyte },
}))
const guests: PlaceableGuest[] = Array.from({ length: 10_000 }, (_, at) => ({
  name: `g${at}`,
  kind: `service ${at % 97}`,
  memoryBytes: (1 + (at % 6)) * gibibyte,
  vcpus: 1 + (at % 4),
  diskBytes: (10 + (at % 50)) * gibibyte,
}))

function timed<T>(what: string, body: () => T): T {
  const begun = performance.now()
  const result = body()
  console.log(`${what}: ${Math.round(performance.now() - begun)} ms`)
  return result
}

const first = timed('10,000 guests on 500 hosts', () => placeGuests(hosts, guests))
const standing = guests.map((guest) => ({ ...guest, current: first.hosts.get(guest.name) ?? '' }))
timed('again, nothing changed', () => placeGuests(hosts, standing))
const left = timed('one host gone', () => placeGuests(hosts.slice(1), standing))
const moved = standing.filter(({ name, current }) => left.hosts.get(name) !== current).length
console.log(`${first.lacks.length} without room; ${moved} moved when a host went`)
