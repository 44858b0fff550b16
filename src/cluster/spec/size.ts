/** Sizes as xen-tools reads them: `256M`, `8G`, `1000m`, `4Gb`. Units are binary: 1K is 1024 bytes. */

const units = [
  ['T', 1024 ** 4],
  ['G', 1024 ** 3],
  ['M', 1024 ** 2],
  ['K', 1024],
  ['B', 1],
] as const

/** What a size looks like, for JSON Schema. */
export const sizePattern = '^[0-9]+(\\.[0-9]+)?([kKmMgGtT]([iI]?[bB])?|[bB])$'
const size = new RegExp(sizePattern)

/** Bytes; undefined when it is no size, has no unit, or is not a whole number of bytes below 2^53. */
export function parseSize(text: string): number | undefined {
  if (!size.test(text)) return undefined
  const unit = text
    .replace(/^[0-9.]+/, '')
    .charAt(0)
    .toUpperCase()
  const factor = units.find(([name]) => name === unit)?.[1]
  const bytes = Number.parseFloat(text) * (factor ?? Number.NaN)
  return Number.isSafeInteger(bytes) ? bytes : undefined
}

/** The shortest exact text in the largest unit that fits: 268435456 is `256M`. */
export function formatSize(bytes: number): string {
  const [name, factor] = units.find(([, factor]) => bytes >= factor && bytes % factor === 0) ?? ['B', 1]
  return `${bytes / factor}${name}`
}
