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

type Room = { readonly name: string; readonly capacity: Load; left: Mutable; readonly kinds: Map<string, number> }
type Mutable = { memoryBytes: number; vcpus: number; diskBytes: number }

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

/** Whether the second host is the better one. */
type Prefer = (one: Room, other: Room, guest: PlaceableGuest) => boolean

function tryPlacing(hosts: readonly PlaceableHost[], guests: readonly PlaceableGuest[], prefer: Prefer): Placement {
  const rooms = hosts.map(({ name, capacity }): Room => ({ name, capacity, left: { ...capacity }, kinds: new Map() }))
  const byName = new Map(rooms.map((room) => [room.name, room]))
  const placed = new Map<string, string>()
  const lacks: string[] = []
  const put = (guest: PlaceableGuest, room: Room): void => {
    room.left.memoryBytes -= guest.memoryBytes
    room.left.vcpus -= guest.vcpus
    room.left.diskBytes -= guest.diskBytes
    room.kinds.set(guest.kind, (room.kinds.get(guest.kind) ?? 0) + 1)
    placed.set(guest.name, room.name)
  }
  const open: PlaceableGuest[] = []
  const [bound, free] = [guests.filter(isBound), guests.filter((guest) => !isBound(guest))]
  for (const guest of [...bound, ...free.filter(({ current }) => current !== undefined)]) {
    const room = byName.get((isBound(guest) ? guest.allowed?.[0] : guest.current) ?? '')
    if (room !== undefined && mayStand(guest, room) && fits(guest, room)) put(guest, room)
    else open.push(guest)
  }
  const rest = [...open, ...free.filter(({ current }) => current === undefined)]
  for (const guest of rest.sort((a, b) => b.memoryBytes - a.memoryBytes || b.vcpus - a.vcpus)) {
    let best: Room | undefined
    for (const room of rooms)
      if (mayStand(guest, room) && fits(guest, room) && (best === undefined || prefer(best, room, guest))) best = room
    if (best === undefined) lacks.push(whyNowhere(guest, rooms))
    else put(guest, best)
  }
  // In the guests' own order, whatever order they were placed in.
  const inOrder = guests.flatMap(({ name }) => {
    const host = placed.get(name)
    return host === undefined ? [] : [[name, host] as const]
  })
  return { hosts: new Map(inOrder), lacks }
}

const isBound = ({ allowed }: PlaceableGuest): boolean => allowed?.length === 1

const mayStand = ({ allowed }: PlaceableGuest, { name }: Room): boolean =>
  allowed === undefined || allowed.includes(name)

const parts = ['memoryBytes', 'vcpus', 'diskBytes'] as const

function fits(guest: Load, { left }: Room): boolean {
  return guest.memoryBytes <= left.memoryBytes && guest.vcpus <= left.vcpus && guest.diskBytes <= left.diskBytes
}

const leastOfItsKind: Prefer = (one, other, { kind }) => {
  const [here, there] = [one.kinds.get(kind) ?? 0, other.kinds.get(kind) ?? 0]
  if (here !== there) return there < here
  return freeShare(other) > freeShare(one)
}

const leastRoom: Prefer = (one, other) => other.left.memoryBytes < one.left.memoryBytes

/** Of a host without a limit the share is whole; by what it carries it is told from others then. */
function freeShare({ left, capacity, kinds }: Room): number {
  if (Number.isFinite(capacity.memoryBytes))
    return capacity.memoryBytes === 0 ? 0 : left.memoryBytes / capacity.memoryBytes
  let carried = 0
  for (const number of kinds.values()) carried += number
  return 1 / (1 + carried)
}

/** So many hosts are named in one sentence. */
const mostNamed = 4

function whyNowhere(guest: PlaceableGuest, rooms: readonly Room[]): string {
  const allowed = rooms.filter((room) => mayStand(guest, room))
  if (allowed.length === 0) return `${guest.name} may run on none of the hosts`
  const said = allowed.slice(0, mostNamed).map((room) => {
    const short = parts.flatMap((part) => {
      const missing = guest[part] - room.left[part]
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
