/**
 * SipHash-1-3 of one 32-bit word under a key whose halves are the same 32-bit number: what Linux's hsiphash is on 64-bit
 * machines (lib/siphash.c), for the keys that ip_vs_mh uses. In 32-bit halves, since BigInt would allocate.
 */

/** The low 32 bits, signed: a number that needs no allocation. */
export function sipHash13(key: number, word: number): number {
  // "somepseudorandomlygeneratedbytes", each half-key mixed in; high and low words.
  let v0h = 0x736f6d65
  let v0l = 0x70736575 ^ key
  let v1h = 0x646f7261
  let v1l = 0x6e646f6d ^ key
  let v2h = 0x6c796765
  let v2l = 0x6e657261 ^ key
  // The only block: the word, and above it the message's length.
  let v3h = 0x74656462 ^ (4 << 24)
  let v3l = 0x79746573 ^ key ^ word

  for (let round = 0; round < 4; round++) {
    if (round === 1) {
      // The block is done: the other three rounds finish.
      v0h ^= 4 << 24
      v0l ^= word
      v2l ^= 0xff
    }
    let sum = (v0l >>> 0) + (v1l >>> 0)
    v0h = (v0h + v1h + (sum > 0xffff_ffff ? 1 : 0)) | 0
    v0l = sum | 0
    let high = (v1h << 13) | (v1l >>> 19)
    v1l = ((v1l << 13) | (v1h >>> 19)) ^ v0l
    v1h = high ^ v0h
    high = v0h
    v0h = v0l
    v0l = high

    sum = (v2l >>> 0) + (v3l >>> 0)
    v2h = (v2h + v3h + (sum > 0xffff_ffff ? 1 : 0)) | 0
    v2l = sum | 0
    high = (v3h << 16) | (v3l >>> 16)
    v3l = ((v3l << 16) | (v3h >>> 16)) ^ v2l
    v3h = high ^ v2h

    sum = (v0l >>> 0) + (v3l >>> 0)
    v0h = (v0h + v3h + (sum > 0xffff_ffff ? 1 : 0)) | 0
    v0l = sum | 0
    high = (v3h << 21) | (v3l >>> 11)
    v3l = ((v3l << 21) | (v3h >>> 11)) ^ v0l
    v3h = high ^ v0h

    sum = (v2l >>> 0) + (v1l >>> 0)
    v2h = (v2h + v1h + (sum > 0xffff_ffff ? 1 : 0)) | 0
    v2l = sum | 0
    high = (v1h << 17) | (v1l >>> 15)
    v1l = ((v1l << 17) | (v1h >>> 15)) ^ v2l
    v1h = high ^ v2h
    high = v2h
    v2h = v2l
    v2l = high
  }
  return v0l ^ v1l ^ v2l ^ v3l
}
