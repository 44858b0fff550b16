/** The lookup table of mh, as Linux's ip_vs_mh fills it (Eisenbud et al., Maglev, NSDI 2016, section 3.4; weights are the kernel's own). */
import { fold } from './fold.ts'
import type { Candidate } from './scheduler.ts'
import { sipHash13 } from './siphash.ts'
import { greatestCommonDivisor } from './weights.ts'

const offsetKey = 2_654_435_761
const skipKey = 2_654_446_892

/** What the table is made from. */
export type MaglevServer = Pick<Candidate, 'address' | 'port' | 'lastWeight'>

/** A prime for each size that the kernel can be built with (CONFIG_IP_VS_MH_TAB_INDEX). */
const primes = { 12: 4093, 17: 131_071 } as const

/** The slot of a client, or of a server's own first choice, in a table of that size; `value` is taken modulo 2^32. */
export function maglevSlot(value: number, size: number): number {
  return (sipHash13(offsetKey, value | 0) >>> 0) % size
}

/**
 * For each slot the place of its server in the list; empty when no server has a weight. The size is the kernel's default,
 * 4093, where the list fits in, or else its largest; servers beyond that have no slots. `words`: of the service's addresses.
 */
export function maglevTable(servers: readonly MaglevServer[], words: number): Int32Array {
  const index = servers.length <= primes[12] ? 12 : 17
  const size = primes[index]
  const count = Math.min(servers.length, size)
  const turns = shares(servers, count, Math.floor(index / 2))
  if (turns === undefined) return new Int32Array(0)

  const position = new Int32Array(count)
  const skip = new Int32Array(count)
  for (let at = 0; at < count; at++) {
    const server = servers[at]
    if (server === undefined) continue
    const value = (fold(server.address, words) + server.port) | 0
    position[at] = maglevSlot(value, size)
    skip[at] = ((sipHash13(skipKey, value) >>> 0) % (size - 1)) + 1
  }
  const table = new Int32Array(size).fill(-1)
  for (let filled = 0; ; ) {
    for (let at = 0; at < count; at++) {
      const step = skip[at] ?? 1
      let slot = position[at] ?? 0
      for (let turn = turns[at] ?? 0; turn > 0; turn--) {
        while ((table[slot] ?? 0) >= 0) slot = slot + step < size ? slot + step : slot + step - size
        table[slot] = at
        filled += 1
        if (filled === size) return table
      }
      position[at] = slot
    }
  }
}

/** How many slots each server takes in its turn: its weight by the greatest common divisor, cut to `bits` bits. */
function shares(servers: readonly MaglevServer[], count: number, bits: number): Int32Array | undefined {
  let divisor = 0
  let highest = 0
  for (let at = 0; at < count; at++) {
    const weight = servers[at]?.lastWeight ?? 0
    if (weight <= 0) continue
    divisor = greatestCommonDivisor(weight, divisor)
    highest = Math.max(highest, weight)
  }
  if (divisor === 0) return undefined
  const length = 32 - Math.clz32(Math.floor(highest / divisor))
  const shift = Math.max(length - bits, 0)
  const turns = new Int32Array(count)
  for (let at = 0; at < count; at++) {
    const weight = servers[at]?.lastWeight ?? 0
    if (weight > 0) turns[at] = Math.max(Math.floor(weight / divisor) >>> shift, 1)
  }
  return turns
}
