/** What an xl.cfg comes to: later assignments replace earlier ones, and += adds to them. Pure. */
import type { Assignment, XlProblem, XlValue } from './parse.ts'

export type XlSettings = ReadonlyMap<string, XlValue>

/** `problems`: where += meets a value of another kind, which xl refuses. */
export function settingsOf(assignments: readonly Assignment[]): {
  readonly settings: XlSettings
  readonly problems: readonly XlProblem[]
} {
  const settings = new Map<string, XlValue>()
  const problems: XlProblem[] = []
  for (const { key, operator, value, place } of assignments) {
    const before = operator === '=' ? undefined : settings.get(key)
    const sum = before === undefined ? value : joined(before, value)
    if (sum !== undefined) settings.set(key, sum)
    else {
      const message = `+= adds strings to strings and lists to lists; ${key} is ${kindOf(before)}, this is ${kindOf(value)}`
      problems.push({ line: place.line, column: place.column, message })
    }
  }
  return { settings, problems }
}

/** As xl takes it: a quoted number is a number. undefined when there is none, or something else. */
export function numberSetting(settings: XlSettings, key: string): number | undefined {
  const value = settings.get(key)
  if (typeof value === 'number') return value
  return typeof value === 'string' && /^(0x[0-9a-f]+|[0-9]+)$/i.test(value) ? octalOr(value) : undefined
}

export function textSetting(settings: XlSettings, key: string): string | undefined {
  const value = settings.get(key)
  return typeof value === 'string' ? value : undefined
}

/** The strings of a list; a single string is taken for a list of one, as xl does. */
export function listSetting(settings: XlSettings, key: string): readonly string[] {
  const value = settings.get(key)
  if (typeof value === 'string') return [value]
  return Array.isArray(value) ? value.filter((item): item is string => typeof item === 'string') : []
}

function octalOr(text: string): number {
  return /^0[0-7]+$/.test(text) ? Number.parseInt(text, 8) : Number(text)
}

function joined(before: XlValue, value: XlValue): XlValue | undefined {
  if (typeof before === 'string' && typeof value === 'string') return before + value
  if (typeof before === 'object' && typeof value === 'object') return [...before, ...value]
  return undefined
}

function kindOf(value: XlValue | undefined): string {
  if (typeof value === 'string') return 'a string'
  return typeof value === 'number' ? 'a number' : 'a list'
}
