/** Did you mean …? The nearest of a few known words. */

/** Words of other tools for the same thing. */
const synonyms: Readonly<Record<string, string>> = {
  backends: 'servers',
  balance: 'scheduler',
  cpu: 'vcpus',
  cpus: 'vcpus',
  delay_loop: 'every',
  domains: 'guests',
  fwmark: 'mark',
  healthcheck: 'check',
  interval: 'every',
  lb_algo: 'scheduler',
  lb_kind: 'forwarding',
  listen: 'address',
  lvs_method: 'forwarding',
  lvs_sched: 'scheduler',
  machines: 'guests',
  mem: 'memory',
  nat: 'masq',
  persistence_timeout: 'persistence',
  pools: 'guests',
  ram: 'memory',
  real: 'servers',
  real_server: 'servers',
  replicas: 'count',
  size: 'disk',
  sorry_server: 'fallback',
  virtual_server: 'services',
  vms: 'guests',
}

/** The candidate that was probably meant; undefined when none is near. */
export function nearest(word: string, candidates: readonly string[]): string | undefined {
  const folded = fold(word)
  const synonym = Object.hasOwn(synonyms, word.toLowerCase()) ? synonyms[word.toLowerCase()] : undefined
  let best: { candidate: string; distance: number } | undefined
  for (const candidate of candidates) {
    const distance = editDistance(folded, fold(candidate))
    if (best === undefined || distance < best.distance) best = { candidate, distance }
  }
  // About one slip in three letters; a short word needs to be nearer.
  if (
    best !== undefined &&
    best.distance <= Math.max(1, Math.floor(folded.length / 3)) &&
    best.distance < folded.length
  )
    return best.candidate
  return synonym !== undefined && candidates.includes(synonym) ? synonym : undefined
}

/** `: did you mean wlc?`, or nothing. */
export function didYouMean(word: string, candidates: readonly string[]): string {
  const near = nearest(word, candidates)
  return near === undefined ? '' : `: did you mean ${near}?`
}

function fold(word: string): string {
  return word.slice(0, 64).toLowerCase().replaceAll('_', '-')
}

/** Insertions, deletions, substitutions and swaps of neighbours (optimal string alignment). */
export function editDistance(from: string, to: string): number {
  let beforeLast: number[] = []
  let last = Array.from({ length: to.length + 1 }, (_, index) => index)
  for (let row = 1; row <= from.length; row++) {
    const current = [row]
    for (let column = 1; column <= to.length; column++) {
      const same = from[row - 1] === to[column - 1]
      const swapped = row > 1 && column > 1 && from[row - 1] === to[column - 2] && from[row - 2] === to[column - 1]
      current[column] = Math.min(
        (last[column] ?? 0) + 1,
        (current[column - 1] ?? 0) + 1,
        (last[column - 1] ?? 0) + (same ? 0 : 1),
        swapped ? (beforeLast[column - 2] ?? 0) + 1 : Number.POSITIVE_INFINITY,
      )
    }
    beforeLast = last
    last = current
  }
  return last[to.length] ?? 0
}
