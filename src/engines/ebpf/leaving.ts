/** Removed servers, each until its last connection has ended and nothing remembers it: until then it keeps its slot. */
import type { ServerRecord } from './draft.ts'

export type LeavingServer = {
  readonly record: ServerRecord
  readonly serviceKey: string
  readonly serviceSlot: number
}

type Entry = LeavingServer & {
  idleTicks: number
  /** When it left, as `performance.now`, while destinations may still be with it: if it comes back they are to find it. */
  rememberedSince: number | undefined
}

/** For so many ticks in a row nobody had a connection: none is being made any more, either. */
const idleTicksNeeded = 8

export class LeavingServers {
  /** By service, then by server. */
  readonly #services = new Map<string, Map<string, Entry>>()

  /** `isRemembered`: lblc or lblcr may have destinations with it. */
  add(server: LeavingServer, isRemembered: boolean): void {
    const { serviceKey, record } = server
    const own = this.#services.get(serviceKey) ?? new Map<string, Entry>()
    const rememberedSince = isRemembered ? performance.now() : undefined
    this.#services.set(serviceKey, own.set(record.key, { ...server, idleTicks: 0, rememberedSince }))
  }

  get(serviceKey: string, serverKey: string): LeavingServer | undefined {
    return this.#services.get(serviceKey)?.get(serverKey)
  }

  delete({ serviceKey, record }: LeavingServer): void {
    const own = this.#services.get(serviceKey)
    own?.delete(record.key)
    if (own?.size === 0) this.#services.delete(serviceKey)
  }

  *of(serviceKey: string, serviceSlot: number): Iterable<ServerRecord> {
    for (const entry of this.#services.get(serviceKey)?.values() ?? [])
      if (entry.serviceSlot === serviceSlot) yield entry.record
  }

  slots(): ReadonlySet<number> {
    return new Set(Array.from(this.#all(), ({ record }) => record.slot))
  }

  /** A few times a second; returns those that have gone for good, and forgets them. */
  tick(isUsed: (slot: number) => boolean): LeavingServer[] {
    const gone: LeavingServer[] = []
    for (const entry of this.#all()) {
      entry.idleTicks = isUsed(entry.record.slot) ? 0 : entry.idleTicks + 1
      if (entry.idleTicks >= idleTicksNeeded && entry.rememberedSince === undefined) gone.push(entry)
    }
    for (const entry of gone) this.delete(entry)
    return gone
  }

  /** `slots` are all that destinations were with when looked at, from `begunMs` (`performance.now`) on. */
  remembered(slots: ReadonlySet<number>, begunMs: number): void {
    for (const entry of this.#all())
      if (entry.rememberedSince !== undefined && entry.rememberedSince < begunMs && !slots.has(entry.record.slot))
        entry.rememberedSince = undefined
  }

  *#all(): Iterable<Entry> {
    for (const own of this.#services.values()) yield* own.values()
  }
}
