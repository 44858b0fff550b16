/** The one difference function: wanted and actual things by key, into what to add, change and remove. */

export type Difference<K, A, B> = {
  readonly added: readonly { readonly key: K; readonly wanted: B }[]
  readonly changed: readonly { readonly key: K; readonly actual: A; readonly wanted: B }[]
  readonly removed: readonly { readonly key: K; readonly actual: A }[]
  readonly unchanged: readonly K[]
}

/**
 * Compares two maps by key. `same` says whether an actual thing already is as wanted; it must ignore statistics.
 * Order follows the maps: added and changed in wanted order, removed in actual order.
 */
export function difference<K, A, B>(
  actual: ReadonlyMap<K, A>,
  wanted: ReadonlyMap<K, B>,
  same: (actual: A, wanted: B) => boolean,
): Difference<K, A, B> {
  const added: { key: K; wanted: B }[] = []
  const changed: { key: K; actual: A; wanted: B }[] = []
  const unchanged: K[] = []
  for (const [key, wantedThing] of wanted) {
    const actualThing = actual.get(key)
    if (actualThing === undefined) added.push({ key, wanted: wantedThing })
    else if (same(actualThing, wantedThing)) unchanged.push(key)
    else changed.push({ key, actual: actualThing, wanted: wantedThing })
  }
  const removed: { key: K; actual: A }[] = []
  for (const [key, actualThing] of actual) if (!wanted.has(key)) removed.push({ key, actual: actualThing })
  return { added, changed, removed, unchanged }
}

/** Plain data as text, the same for the same data whatever the order of its keys. */
export function canonicalText(value: unknown): string {
  const text = JSON.stringify(value, (_key, inner: unknown) =>
    typeof inner === 'object' && inner !== null && !Array.isArray(inner)
      ? Object.fromEntries(Object.entries(inner).sort(([a], [b]) => (a < b ? -1 : 1)))
      : inner,
  ) as string | undefined
  return text ?? 'undefined'
}

/** Whether two pieces of plain data are equal; the order of keys, and keys that are undefined, make no difference. */
export function sameData(a: unknown, b: unknown): boolean {
  if (a === b) return true
  if (typeof a !== 'object' || typeof b !== 'object' || a === null || b === null) return false
  if (Array.isArray(a) || Array.isArray(b)) {
    if (!Array.isArray(a) || !Array.isArray(b) || a.length !== b.length) return false
    return a.every((item, index) => sameData(item, b[index]))
  }
  const [left, right] = [a as Readonly<Record<string, unknown>>, b as Readonly<Record<string, unknown>>]
  for (const key of Object.keys(left)) if (!sameData(left[key], right[key])) return false
  for (const key of Object.keys(right)) if (right[key] !== undefined && left[key] === undefined) return false
  return true
}
