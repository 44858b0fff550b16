/** A number as a cell of ipvsadm's statistics. */

/** Nine characters wide at least; large numbers are cut to thousands (K), millions (M) and so on, unless `exact`. */
export function numberCell(value: number, exact: boolean): string {
  if (exact) {
    const digits = String(value)
    return digits.padStart(digits.length > 8 ? digits.length + 1 : 9)
  }
  if (value < 1e8) return String(value).padStart(9)
  const [unit, letter] = units.find(([, , below]) => value < below) ?? [1e12, 'T']
  return `${String(Math.floor(value / unit)).padStart(8)}${letter}`
}

const units = [
  [1e3, 'K', 1e9],
  [1e6, 'M', 1e11],
  [1e9, 'G', 1e14],
] as const
