/** Exact comparison of ratios whose products need more than a double's 53 bits (the kernel multiplies in 64). */

/**
 * Below, at or above 0 as a/b is less than, equal to or more than c/d: for whole numbers from 0 to 2^53 - 1, those
 * below the line at least 1. Allocates nothing.
 */
export function compareRatios(a: number, b: number, c: number, d: number): number {
  const left = a * d
  const right = c * b
  if (left <= Number.MAX_SAFE_INTEGER && right <= Number.MAX_SAFE_INTEGER) return left - right
  return compareBySteps(a, b, c, d)
}

/** By continued fractions: the whole parts decide, or else the reciprocals of what is left over, the other way round. */
function compareBySteps(a: number, b: number, c: number, d: number): number {
  let sign = 1
  for (;;) {
    const restA = a % b
    const restC = c % d
    const wholes = (a - restA) / b - (c - restC) / d
    if (wholes !== 0) return sign * wholes
    if (restA === 0 || restC === 0) return sign * (restA - restC)
    a = b
    b = restA
    c = d
    d = restC
    sign = -sign
  }
}
