/**
 * Ends what is over. The table is walked again and again beside the event loop, which only looks at each page for a moment;
 * what seems over goes to the program, which looks once more and ends it, so that no packet is lost to a race and no
 * count goes wrong. A million connections are walked in about a second.
 */
import { setImmediate } from 'node:timers/promises'
import { testRun } from '../../os/bpf.ts'
import type { MapPage } from '../../os/bpf-map.ts'
import { MapWalk } from '../../os/bpf-walk.ts'
import { flowKinds, layouts, reapMost, reapTemplates, templateFlags } from './layout.ts'
import type { Maps } from './maps.ts'

const pageFlows = 8192
const pageTemplates = 2048
/** Of the time of a pass, how much is rested after it, up to the longest rest. */
const restsPerPass = 9
const longestRestMs = 1_500
/** struct __sk_buff: the mark, which says how many keys there are. */
const markAt = 8
const contextBytes = 16

/** Whether the entry that begins at a byte of a page's values is over. `nowNs`: CLOCK_MONOTONIC, a number for speed. */
type IsOver = (values: Buffer, at: number, nowNs: number) => boolean

export class Sweep implements Disposable {
  readonly #maps: Maps
  readonly #reap: number
  readonly #flows: MapWalk
  readonly #templates: MapWalk
  #isRunning = false
  #isDisposed = false
  #nextMs = 0
  #failure: unknown

  constructor(maps: Maps, reap: number) {
    this.#maps = maps
    this.#reap = reap
    this.#flows = new MapWalk(maps.flows, pageFlows)
    this.#templates = new MapWalk(maps.templates, pageTemplates)
  }

  /**
   * Begins a pass when it is time for one. `orphaned`: servers whose connections end before their time.
   * @throws InfraError with what the last pass failed of.
   */
  tick(nowMs: number, orphaned: () => ReadonlySet<number>): void {
    const failure = this.#failure
    this.#failure = undefined
    if (failure !== undefined) throw failure
    if (!this.#isRunning && nowMs >= this.#nextMs) void this.#pass(nowMs, orphaned())
  }

  [Symbol.dispose](): void {
    this.#isDisposed = true
  }

  async #pass(begunMs: number, orphaned: ReadonlySet<number>): Promise<void> {
    this.#isRunning = true
    try {
      const { totals } = this.#maps
      const { connections, templates } = layouts.totals.at
      if (totals.bytes.readBigUInt64LE(connections) > 0n) await this.#walk(this.#flows, 0, flowIsOver(orphaned))
      if (totals.bytes.readBigUInt64LE(templates) > 0n)
        await this.#walk(this.#templates, reapTemplates, templateIsOver(this.#maps))
    } catch (error) {
      // Its maps have been closed.
      if (!this.#isDisposed) this.#failure = error
    } finally {
      const endedMs = performance.now()
      this.#nextMs = endedMs + Math.min(restsPerPass * (endedMs - begunMs), longestRestMs)
      this.#isRunning = false
    }
  }

  async #walk(walk: MapWalk, kind: number, isOver: IsOver): Promise<void> {
    let from: Uint8Array | undefined
    do {
      const page = await walk.page(from)
      if (this.#isDisposed) return
      await this.#endOf(page, kind, isOver)
      from = page.next
    } while (from !== undefined && !this.#isDisposed)
  }

  async #endOf({ count, keys, values }: MapPage, kind: number, isOver: IsOver): Promise<void> {
    if (count === 0) return
    const [keyBytes, valueBytes] = [keys.length / count, values.length / count]
    const { bytes, stride } = this.#maps.reaping
    const nowNs = Number(process.hrtime.bigint())
    let found = 0
    for (let index = 0; index < count; index++) {
      if (!isOver(values, index * valueBytes, nowNs)) continue
      bytes.set(keys.subarray(index * keyBytes, (index + 1) * keyBytes), found++ * stride)
      if (found < reapMost) continue
      this.#end(found, kind)
      found = 0
      await setImmediate()
      if (this.#isDisposed) return
    }
    if (found > 0) this.#end(found, kind)
  }

  #end(count: number, kind: number): void {
    const context = Buffer.alloc(contextBytes)
    context.writeUInt32LE(count | kind, markAt)
    testRun(this.#reap, Buffer.alloc(64), context)
  }
}

function flowIsOver(orphaned: ReadonlySet<number>): IsOver {
  const { expires, kind, server } = layouts.flow.at
  return (values, at, nowNs) =>
    values[at + kind] === flowKinds.FLOW_CONNECTION &&
    (hasPassed(values, at + expires, nowNs) || (orphaned.size > 0 && orphaned.has(values.readUInt32LE(at + server))))
}

/** Those whose time is up, and of a flood those that no connection has ever worked under. */
function templateIsOver({ templates, totals }: Maps): IsOver {
  const { word, expires } = layouts.template.at
  const isCrowded = (): boolean =>
    totals.bytes.readBigUInt64LE(layouts.totals.at.templates) > templates.info.maxEntries / 2
  return (values, at, nowNs) =>
    hasPassed(values, at + expires, nowNs) || (((values[at + word] ?? 0) & templateFlags.assured) === 0 && isCrowded())
}

function hasPassed(values: Buffer, at: number, nowNs: number): boolean {
  return values.readUInt32LE(at + 4) * 2 ** 32 + values.readUInt32LE(at) <= nowNs
}
