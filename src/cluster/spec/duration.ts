/** Durations carry a unit: `500ms`, `2s`, `5m`, `1h`. */

const units = [
  ['h', 3_600_000],
  ['m', 60_000],
  ['s', 1000],
  ['ms', 1],
] as const

/** What a duration looks like, for JSON Schema. */
export const durationPattern = '^[0-9]+(\\.[0-9]+)?(ms|s|m|h)$'
const duration = new RegExp(durationPattern)

/** Milliseconds; undefined when it is no duration, has no unit, or is not a whole number of milliseconds below 2^53. */
export function parseDuration(text: string): number | undefined {
  if (!duration.test(text)) return undefined
  const unit = text.replace(/^[0-9.]+/, '')
  const factor = units.find(([name]) => name === unit)?.[1] ?? Number.NaN
  // 0.1 * 3 is not 0.3: what is whole to within a rounding error is whole.
  const exact = Number.parseFloat(text) * factor
  const ms = Math.round(exact)
  return Number.isSafeInteger(ms) && Math.abs(exact - ms) < 1e-6 ? ms : undefined
}

/** The exact text in the largest unit that fits: 120000 is `2m`. */
export function formatDuration(ms: number): string {
  const [name, factor] = units.find(([, factor]) => ms >= factor && ms % factor === 0) ?? ['ms', 1]
  return `${ms / factor}${name}`
}
