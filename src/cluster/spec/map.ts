/** A map of the file: its keys and no others. */
import * as z from 'zod'

/** A map with these keys and no others; what it says about another key is the list of its own, for `explain`. */
export function map<T extends z.ZodRawShape>(shape: T) {
  const keys = Object.keys(shape).join(' ')
  return z.strictObject(shape, { error: (issue) => (issue.code === 'unrecognized_keys' ? keys : undefined) })
}
