/** What the file says of a thing: keys without a value are left out. */

export type Written = Record<string, unknown>

export function unless<T>(usual: T, value: T): T | undefined {
  return value === usual ? undefined : value
}
