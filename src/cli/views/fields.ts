/** Lines of `word: value`. */
import type { Paint } from '../terminal/paint.ts'

export type Field = readonly [name: string, value: string]

export function fields(all: readonly Field[], paint: Paint): string[] {
  const width = Math.max(...all.map(([name]) => name.length)) + 1
  return all.map(([name, value]) => `${paint('bold', `${name}:`.padEnd(width))} ${value}`)
}
