/** Datagrams that somebody made up: random ones, and good ones with some bytes changed, cut off or longer. The same at every run. */

/** xorshift32: quick, and enough for this. */
export function hostileDatagrams(good: readonly Uint8Array[], seed: number): () => Uint8Array {
  let state = seed | 1
  const next = (below: number): number => {
    state ^= state << 13
    state ^= state >>> 17
    state ^= state << 5
    return (state >>> 0) % below
  }
  const random = (length: number): Uint8Array => Uint8Array.from({ length }, () => next(256))
  const changed = (datagram: Uint8Array): Uint8Array => {
    const bytes = datagram.slice()
    for (let left = 1 + next(4); left > 0; left--) bytes[next(bytes.length)] = next(256)
    return bytes
  }
  /** The size that is said is right: what comes after it is looked at. */
  const sized = (bytes: Uint8Array): Uint8Array => {
    if (bytes.length >= 4) bytes.set([bytes.length >> 8, bytes.length & 255], 2)
    return bytes
  }
  return () => {
    const base = good[next(good.length)] ?? new Uint8Array(8)
    switch (next(5)) {
      case 0:
        return random(next(120))
      case 1:
        return sized(Uint8Array.of(0, 7, 0, 0, next(256), 1, 0, 0, ...random(next(100))))
      case 2:
        return sized(base.slice(0, next(base.length)))
      case 3:
        return sized(changed(base))
      default:
        return changed(base)
    }
  }
}
