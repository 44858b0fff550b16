/** The rules of schedulers that have an index, as the kernel has them: a walk through the whole list. What the index must agree with. */
import {
  type Candidate,
  overhead,
  type Scheduler,
  type SchedulerFactory,
  type SchedulerOptions,
} from '../../src/lvs/schedulers/scheduler.ts'

const isUsable = ({ weight, overloaded }: Candidate): boolean => weight > 0 && !overloaded

/** Exact whatever the size. */
function isMore(a: number, shareA: number, b: number, shareB: number): boolean {
  const left = a * shareB
  const right = b * shareA
  if (left <= Number.MAX_SAFE_INTEGER && right <= Number.MAX_SAFE_INTEGER) return left > right
  return BigInt(a) * BigInt(shareB) > BigInt(b) * BigInt(shareA)
}

function walking(
  pick: <S extends Candidate>(servers: readonly S[], random: () => number) => S | undefined,
): SchedulerFactory {
  return <S extends Candidate>(servers: readonly S[], { random }: SchedulerOptions): Scheduler<S> => ({
    pick: () => pick(servers, random),
    added() {},
    removed() {},
    edited() {},
    counted() {},
  })
}

function leastWeighted<S extends Candidate>(servers: readonly S[], cost: (server: S) => number): S | undefined {
  let best: S | undefined
  let least = 0
  for (const server of servers) {
    if (!isUsable(server)) continue
    const own = cost(server)
    if (best !== undefined && !isMore(least, best.weight, own, server.weight)) continue
    best = server
    least = own
  }
  return best
}

function firstOfMost<S extends Candidate>(servers: readonly S[], isOpen: (server: S) => boolean): S | undefined {
  let best: S | undefined
  for (const server of servers)
    if (isUsable(server) && isOpen(server) && (best === undefined || server.weight > best.weight)) best = server
  return best
}

function twos<S extends Candidate>(servers: readonly S[], random: () => number): S | undefined {
  let total = 0
  for (const server of servers) if (isUsable(server)) total += server.weight
  if (total === 0) return undefined
  let left = Math.floor(random() * (total + 1))
  let right = Math.floor(random() * (total + 1))
  let first: S | undefined
  let second: S | undefined
  for (const server of servers) {
    if (!isUsable(server)) continue
    left -= server.weight
    right -= server.weight
    if (left <= 0) first ??= server
    if (right <= 0) second ??= server
  }
  if (first === undefined || second === undefined) return undefined
  return isMore(overhead(first), first.weight, overhead(second), second.weight) ? second : first
}

export const linearSchedulers = {
  lc: walking((servers) => {
    let best: (typeof servers)[number] | undefined
    for (const server of servers)
      if (isUsable(server) && (best === undefined || overhead(server) < overhead(best))) best = server
    return best
  }),
  wlc: walking((servers) => leastWeighted(servers, overhead)),
  sed: walking((servers) => leastWeighted(servers, ({ active }) => active + 1)),
  nq: walking(
    (servers) =>
      servers.find((server) => isUsable(server) && server.active === 0) ??
      leastWeighted(servers, ({ active }) => active + 1),
  ),
  fo: walking((servers) => firstOfMost(servers, () => true)),
  ovf: walking((servers) => firstOfMost(servers, ({ active, weight }) => active <= weight)),
  twos: walking(twos),
} as const satisfies { [name: string]: SchedulerFactory }
