/** The Internet checksum, RFC 1071: the one's complement of the one's complement sum of 16-bit words. */

/** Over pieces that stand for one piece; each but the last has an even length. 0 over bytes that hold their own checksum. */
export function internetChecksum(...pieces: readonly Uint8Array[]): number {
  let sum = 0
  for (const piece of pieces)
    for (let at = 0; at < piece.length; at += 2) sum += ((piece[at] ?? 0) << 8) | (piece[at + 1] ?? 0)
  while (sum > 0xffff) sum = (sum & 0xffff) + Math.floor(sum / 0x1_0000)
  return ~sum & 0xffff
}
