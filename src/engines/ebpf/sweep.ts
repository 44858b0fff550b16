/**
 * Ends what is over. The table is walked in pages between other work, a few milliseconds at a time; what seems over goes
 * to the program, which looks once more and ends it, so that no packet is lost to a race and no count goes wrong.
 */
import { testRun } from '../../os/bpf.ts'
import { flowKinds, layouts, reapMost, reapTemplates, templateFlags } from './layout.ts'
import type { Maps } from './maps.ts'

const pageFlows = 512
/** What one sweep may take, of an interval of 250 ms. */
const sweepMs = 5
/** struct __sk_buff: the mark, which says how many keys there are. */
const markAt = 8
const contextBytes = 16

export class Sweep {
  readonly #maps: Maps
  readonly #reap: number
  #from: Uint8Array | undefined
  #fromTemplate: Uint8Array | undefined

  constructor(maps: Maps, reap: number) {
    this.#maps = maps
    this.#reap = reap
  }

  /** Goes on where the last one stopped. `isOrphan`: whether connections of that server end before their time. */
  run(isOrphan: (server: number) => boolean): void {
    const deadline = performance.now() + sweepMs
    const { flows } = this.#maps
    const { keyBytes, valueBytes } = flows.info
    const { expires, kind, server } = layouts.flow.at
    do {
      const nowNs = process.hrtime.bigint()
      const page = flows.page(this.#from, pageFlows)
      const over: Buffer[] = []
      for (let index = 0; index < page.count; index++) {
        const at = index * valueBytes
        if (page.values[at + kind] !== flowKinds.FLOW_CONNECTION) continue
        const isOver = page.values.readBigUInt64LE(at + expires) <= nowNs
        if (isOver || isOrphan(page.values.readUInt32LE(at + server)))
          over.push(page.keys.subarray(index * keyBytes, (index + 1) * keyBytes))
      }
      for (let first = 0; first < over.length; first += reapMost) this.#end(over.slice(first, first + reapMost))
      this.#from = page.next
    } while (this.#from !== undefined && performance.now() < deadline)
  }

  /** Templates, likewise: those whose time is up, and of a flood those that no connection has ever worked under. */
  runTemplates(): void {
    const deadline = performance.now() + sweepMs
    const { templates, totals } = this.#maps
    const { keyBytes, valueBytes, maxEntries } = templates.info
    const { word, expires } = layouts.template.at
    do {
      const nowNs = process.hrtime.bigint()
      const isCrowded = totals.bytes.readBigUInt64LE(layouts.totals.at.templates) > maxEntries / 2
      const page = templates.page(this.#fromTemplate, pageFlows)
      const over: Buffer[] = []
      for (let index = 0; index < page.count; index++) {
        const at = index * valueBytes
        const isUseless = isCrowded && ((page.values[at + word] ?? 0) & templateFlags.assured) === 0
        if (isUseless || page.values.readBigUInt64LE(at + expires) <= nowNs)
          over.push(page.keys.subarray(index * keyBytes, (index + 1) * keyBytes))
      }
      for (let first = 0; first < over.length; first += reapMost)
        this.#end(over.slice(first, first + reapMost), reapTemplates)
      this.#fromTemplate = page.next
    } while (this.#fromTemplate !== undefined && performance.now() < deadline)
  }

  #end(keys: readonly Buffer[], kind = 0): void {
    const { bytes, stride } = this.#maps.reaping
    for (const [index, key] of keys.entries()) bytes.set(key, index * stride)
    const context = Buffer.alloc(contextBytes)
    context.writeUInt32LE(keys.length | kind, markAt)
    testRun(this.#reap, Buffer.alloc(64), context)
  }
}
