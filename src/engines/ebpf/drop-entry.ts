/**
 * drop_entry, each second: of a 32nd of the table those connections that have only begun, and templates that nobody has been
 * served by. LVS takes rows by chance; here one after the other has its turn, in the order of a hash.
 */
import { tcpStates } from '../../lvs/connection-state.ts'
import { testRun } from '../../os/bpf.ts'
import type { BpfMap } from '../../os/bpf-map.ts'
import { flowKinds, layouts, reapMost, reapTemplates, reapUnproven, templateFlags } from './layout.ts'
import type { Maps } from './maps.ts'

const share = 32
const pageEntries = 512
/** What it may take of the event loop, each second. */
const mostMs = 10
const droppedStates = [tcpStates.indexOf('SYN_RECV'), tcpStates.indexOf('SYNACK')]
/** struct __sk_buff: the mark, which says how many keys there are, and of what. */
const markAt = 8
const contextBytes = 16

export class DropEntry {
  readonly #maps: Maps
  readonly #reap: number
  #fromFlow: Uint8Array | undefined
  #fromTemplate: Uint8Array | undefined

  constructor(maps: Maps, reap: number) {
    this.#maps = maps
    this.#reap = reap
  }

  run(): void {
    const { flows, templates, totals } = this.#maps
    const { word, kind } = layouts.flow.at
    const count = (at: number): number => Number(totals.bytes.readBigUInt64LE(at)) / share
    const isBegun = (flow: Buffer): boolean =>
      flow[kind] === flowKinds.FLOW_CONNECTION && droppedStates.includes(flow[word] ?? 0)
    const isUnproven = (template: Buffer): boolean =>
      ((template[layouts.template.at.word] ?? 0) & templateFlags.assured) === 0
    const { connections, templates: remembered } = layouts.totals.at
    this.#fromFlow = this.#pass(flows, this.#fromFlow, count(connections), isBegun, reapUnproven)
    const how = reapTemplates | reapUnproven
    this.#fromTemplate = this.#pass(templates, this.#fromTemplate, count(remembered), isUnproven, how)
  }

  /** Ends what is meant among so many entries; returns where to go on. */
  #pass(
    map: BpfMap,
    start: Uint8Array | undefined,
    most: number,
    isMeant: (value: Buffer) => boolean,
    how: number,
  ): Uint8Array | undefined {
    const { keyBytes, valueBytes } = map.info
    const deadline = performance.now() + mostMs
    let from = start
    let seen = 0
    do {
      const page = map.page(from, pageEntries)
      const meant: Buffer[] = []
      for (let index = 0; index < page.count; index++)
        if (isMeant(page.values.subarray(index * valueBytes, (index + 1) * valueBytes)))
          meant.push(page.keys.subarray(index * keyBytes, (index + 1) * keyBytes))
      for (let first = 0; first < meant.length; first += reapMost) this.#end(meant.slice(first, first + reapMost), how)
      seen += page.count
      from = page.next
    } while (from !== undefined && seen < most && performance.now() < deadline)
    return from
  }

  #end(keys: readonly Buffer[], how: number): void {
    const { bytes, stride } = this.#maps.reaping
    for (const [index, key] of keys.entries()) bytes.set(key, index * stride)
    const context = Buffer.alloc(contextBytes)
    context.writeUInt32LE(keys.length | how, markAt)
    testRun(this.#reap, Buffer.alloc(64), context)
  }
}
