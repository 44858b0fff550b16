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

export function sameData(a: unknown, b: unknown): boolean {
  return a === b || canonicalText(a) === canonicalText(b)
}
