/** Which host carries which guest: nothing over its capacity, like guests apart, and nobody moved without need. Pure. */

/** What a host gives, or a guest takes. */
export type Load = { readonly memoryBytes: number; readonly vcpus: number; readonly diskBytes: number }

export type PlaceableHost = { readonly name: string; readonly capacity: Load }

export type PlaceableGuest = Load & {
  readonly name: string
  /** Guests of one kind are kept apart: when a host fails, the others serve. */
  readonly kind: string
  /** Where it stands now. */
  readonly current?: string
  /** Where it may stand; undefined: anywhere. One host alone: it is not placed, it is there. */
  readonly allowed?: readonly string[]
}

export type Placement = {
  readonly hosts: ReadonlyMap<string, string>
  /** Guests that fit nowhere, in words: what lacks where. */
  readonly lacks: readonly string[]
}

type Room = {
  readonly name: string
  readonly isLimited: boolean
  readonly allBytes: number
  memoryBytes: number
  vcpus: number
  diskBytes: number
  guests: number
  /** Of its memory, how much is left: the next guest goes where that is most. */
  share: number
}

/**
 * Who stands where it may and fits stays. The others come one after the other, the largest first, each to the host that has
 * the fewest of its kind, of those the one with the most memory left. When some fit nowhere that way, all that are new are
 * packed as tightly as they go.
 */
export function placeGuests(hosts: readonly PlaceableHost[], guests: readonly PlaceableGuest[]): Placement {
  const spread = tryPlacing(hosts, guests, leastOfItsKind)
  if (spread.lacks.length === 0) return spread
  const packed = tryPlacing(hosts, guests, leastRoom)
  return packed.lacks.length === 0 ? packed : spread
}

/** The place in the list of the best of the candidates that have room; -1: none. `counts`: how many of its kind each has. */
type Choose = (guest: Load, rooms: readonly Room[], candidates: readonly number[], counts: Int32Array) => number

function tryPlacing(hosts: readonly PlaceableHost[], guests: readonly PlaceableGuest[], choose: Choose): Placement {
  const rooms = hosts.map(roomOf)
  const indexes = new Map(hosts.map(({ name }, index) => [name, index]))
  const counts = new Map<string, Int32Array>()
  const candidates = candidatesIn(indexes)
  const placed = new Map<string, string>()
  const lacks: string[] = []
  const countsOf = (kind: string): Int32Array => {
    const known = counts.get(kind) ?? new Int32Array(rooms.length)
    counts.set(kind, known)
    return known
  }
  const put = (guest: PlaceableGuest, index: number): void => {
    const room = rooms[index]
    if (room === undefined) return
    take(room, guest)
    const ofKind = countsOf(guest.kind)
    ofKind[index] = (ofKind[index] ?? 0) + 1
    placed.set(guest.name, room.name)
  }
  const open: PlaceableGuest[] = []
  const stand = (guest: PlaceableGuest, name: string | undefined): void => {
    const index = indexes.get(name ?? '')
    const room = index === undefined ? undefined : rooms[index]
    if (index !== undefined && room !== undefined && candidates(guest).includes(index) && fits(guest, room))
      put(guest, index)
    else open.push(guest)
  }
  for (const guest of guests) if (isBound(guest)) stand(guest, guest.allowed?.[0])
  for (const guest of guests) if (!isBound(guest)) stand(guest, guest.current)
  for (const guest of open.sort((a, b) => b.memoryBytes - a.memoryBytes || b.vcpus - a.vcpus)) {
    const best = choose(guest, rooms, candidates(guest), countsOf(guest.kind))
    if (best >= 0) put(guest, best)
    else
      lacks.push(
        whyNowhere(
          guest,
          candidates(guest).flatMap((index) => rooms[index] ?? []),
        ),
      )
  }
  // In the guests' own order, whatever order they were placed in.
  const inOrder = guests.flatMap(({ name }) => {
    const host = placed.get(name)
    return host === undefined ? [] : [[name, host] as const]
  })
  return { hosts: new Map(inOrder), lacks }
}

/** Guests of a pool share their list: it is looked up once. */
function candidatesIn(indexes: ReadonlyMap<string, number>): (guest: PlaceableGuest) => readonly number[] {
  const all = [...indexes.values()]
  const known = new Map<readonly string[], readonly number[]>()
  return ({ allowed }) => {
    if (allowed === undefined) return all
    const found = known.get(allowed) ?? allowed.flatMap((name) => indexes.get(name) ?? [])
    known.set(allowed, found)
    return found
  }
}

function roomOf({ name, capacity }: PlaceableHost): Room {
  const { memoryBytes } = capacity
  return { name, ...capacity, allBytes: memoryBytes, isLimited: Number.isFinite(memoryBytes), guests: 0, share: 1 }
}

/** A host without a limit is told from others by how many guests it has. */
function take(room: Room, guest: Load): void {
  room.memoryBytes -= guest.memoryBytes
  room.vcpus -= guest.vcpus
  room.diskBytes -= guest.diskBytes
  room.guests += 1
  room.share = room.isLimited ? room.memoryBytes / room.allBytes : 1 / (1 + room.guests)
}

const isBound = ({ allowed }: PlaceableGuest): boolean => allowed?.length === 1

const parts = ['memoryBytes', 'vcpus', 'diskBytes'] as const

function fits(guest: Load, room: Room): boolean {
  return guest.memoryBytes <= room.memoryBytes && guest.vcpus <= room.vcpus && guest.diskBytes <= room.diskBytes
}

const leastOfItsKind: Choose = (guest, rooms, candidates, counts) => {
  let best = -1
  let [least, share] = [0, 0]
  for (const index of candidates) {
    const room = rooms[index]
    const count = counts[index] ?? 0
    if (room === undefined || !fits(guest, room)) continue
    if (best >= 0 && (count > least || (count === least && room.share <= share))) continue
    best = index
    least = count
    share = room.share
  }
  return best
}

const leastRoom: Choose = (guest, rooms, candidates) => {
  let best = -1
  let least = 0
  for (const index of candidates) {
    const room = rooms[index]
    if (room === undefined || !fits(guest, room) || (best >= 0 && room.memoryBytes >= least)) continue
    best = index
    least = room.memoryBytes
  }
  return best
}

/** So many hosts are named in one sentence. */
const mostNamed = 4

function whyNowhere(guest: PlaceableGuest, allowed: readonly Room[]): string {
  if (allowed.length === 0) return `${guest.name} may run on none of the hosts`
  const said = allowed.slice(0, mostNamed).map((room) => {
    const short = parts.flatMap((part) => {
      const missing = guest[part] - room[part]
      return missing > 0 ? [words[part](missing)] : []
    })
    return `${room.name} lacks ${short.join(' and ')}`
  })
  const more = allowed.length - said.length
  return `${guest.name} fits nowhere: ${said.join(', ')}${more > 0 ? `, and so on for ${more} more` : ''}`
}

const mebibytes = (bytes: number): string => `${Math.ceil(bytes / 1024 ** 2)}M`

const words: Readonly<Record<(typeof parts)[number], (missing: number) => string>> = {
  memoryBytes: (missing) => `${mebibytes(missing)} of memory`,
  vcpus: (missing) => `${missing} ${missing === 1 ? 'vcpu' : 'vcpus'}`,
  diskBytes: (missing) => `${mebibytes(missing)} of disk`,
}
