/** What the kernel's hashing schedulers make of addresses. */
import type { AddressWords } from './scheduler.ts'

/**
 * One 32-bit word (signed): an IPv4 address itself, of an IPv6 address all its words with exclusive or. `words`: of how
 * many; the kernel takes just the first of an IPv6 server's in an IPv4 service.
 */
export function fold(address: AddressWords, words = address.length): number {
  let folded = 0
  for (let at = 0; at < words; at++) folded ^= address[at] ?? 0
  return folded
}

/** Multiplicative, by the golden ratio: the uppermost `bits` (1..31) of the product's low 32 (linux/hash.h, hash_32). */
export function hash32(value: number, bits: number): number {
  return Math.imul(value, 0x61c8_8647) >>> (32 - bits)
}
