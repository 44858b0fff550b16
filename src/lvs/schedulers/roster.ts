/** What lblc and lblcr know of a service's servers: the one that wlc would pick, and whether one stands nearly idle. */
import { leastScheduler } from './least.ts'
import type { Candidate, Scheduler } from './scheduler.ts'
import { weightedLeast } from './wlc.ts'

/**
 * A server by its endpoint. It outlives the server's removal while something is remembered of it, and one that is added
 * at the same endpoint takes its place, as the kernel takes it out of its trash.
 */
export type Member<S> = {
  server: S
  readonly endpoint: string
  isHere: boolean
  /** Fewer active connections than half its weight. */
  hasRoom: boolean
  /** What is remembered of it. */
  holders: number
}

export type Roster<S extends Candidate> = {
  /** What the scheduler is told. */
  readonly changes: Omit<Scheduler<S>, 'pick' | 'tick'>
  /** As wlc would pick. */
  least(): Member<S> | undefined
  /** More active connections than its weight, while another server has room: the kernel's sense, not the threshold's. */
  isOverfull(member: Member<S>): boolean
  hold(member: Member<S>): void
  release(member: Member<S>): void
}

export function openRoster<S extends Candidate>(servers: readonly S[]): Roster<S> {
  const index = leastScheduler(servers, weightedLeast)
  const list: Member<S>[] = []
  const byServer = new Map<S, Member<S>>()
  const gone = new Map<string, Member<S>>()
  let withRoom = 0

  const look = (member: Member<S>): void => {
    const { active, weight } = member.server
    const hasRoom = member.isHere && active * 2 < weight
    if (hasRoom !== member.hasRoom) withRoom += hasRoom ? 1 : -1
    member.hasRoom = hasRoom
  }
  const enter = (server: S): Member<S> => {
    const endpoint = `${Array.from(server.address).join()} ${server.port}`
    const member = gone.get(endpoint) ?? { server, endpoint, isHere: true, hasRoom: false, holders: 0 }
    gone.delete(endpoint)
    member.server = server
    member.isHere = true
    byServer.set(server, member)
    look(member)
    return member
  }
  for (const server of servers) list.push(enter(server))

  return {
    least() {
      const server = index.pick()
      return server && byServer.get(server)
    },
    isOverfull: ({ server }) => server.active > server.weight && withRoom > 0,
    hold(member) {
      member.holders += 1
    },
    release(member) {
      member.holders -= 1
      if (member.holders === 0 && !member.isHere) gone.delete(member.endpoint)
    },
    changes: {
      added() {
        const [server] = servers
        if (server !== undefined) list.unshift(enter(server))
        index.added()
      },
      removed(at) {
        const [member] = list.splice(at, 1)
        index.removed(at)
        if (member === undefined) return
        member.isHere = false
        byServer.delete(member.server)
        if (member.holders > 0) gone.set(member.endpoint, member)
        look(member)
      },
      edited(at) {
        const member = list[at]
        if (member !== undefined) look(member)
        index.edited(at)
      },
      counted(server) {
        const member = byServer.get(server)
        if (member !== undefined) look(member)
        index.counted(server)
      },
    },
  }
}
