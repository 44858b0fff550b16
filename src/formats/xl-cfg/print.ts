/** xl.cfg written: anew, or changed in place with everything else as it was, comments and order included. Pure. */
import { type Assignment, parseXlCfg, type XlValue } from './parse.ts'

/** A list goes over several lines as soon as it has more than one item. */
export function printSetting(key: string, value: XlValue): string {
  if (typeof value !== 'object' || value.length < 2) return `${key} = ${printValue(value)}`
  return `${key} = [\n${value.map((item) => `    ${printValue(item)},\n`).join('')}]`
}

/**
 * The text with one setting changed or added. Where the key is there already, its last assignment is replaced and those
 * before it stay: they had no effect before, either. One that was added to by += is put in place of all of them.
 */
export function withSetting(text: string, key: string, value: XlValue): string {
  const own = parseXlCfg(text).assignments.filter((assignment) => assignment.key === key)
  const last = own.at(-1)
  if (last === undefined) return `${text}${text === '' || text.endsWith('\n') ? '' : '\n'}${printSetting(key, value)}\n`
  if (last.operator === '=') {
    const { from, to } = last.valuePlace
    return `${text.slice(0, from)}${printValue(value)}${text.slice(to)}`
  }
  const setAt = own.findLastIndex(({ operator }) => operator === '=')
  const [first = last, ...others] = own.slice(Math.max(setAt, 0))
  const without = others.reduceRight(cut, text)
  return `${without.slice(0, first.place.from)}${printSetting(key, value)}${without.slice(first.place.to)}`
}

/** The text without any assignment of that key. */
export function withoutSetting(text: string, key: string): string {
  return parseXlCfg(text)
    .assignments.filter((assignment) => assignment.key === key)
    .reduceRight(cut, text)
}

/** With its line when nothing else stands there. */
function cut(text: string, { place }: Assignment): string {
  const lineFrom = text.lastIndexOf('\n', place.from - 1) + 1
  const lineEnd = text.indexOf('\n', place.to)
  const lineTo = lineEnd < 0 ? text.length : lineEnd + 1
  const isAlone = /^[ \t]*$/.test(text.slice(lineFrom, place.from)) && /^[ \t;]*\n?$/.test(text.slice(place.to, lineTo))
  return isAlone ? text.slice(0, lineFrom) + text.slice(lineTo) : text.slice(0, place.from) + text.slice(place.to)
}

function printValue(value: XlValue): string {
  if (typeof value === 'number') return String(value)
  if (typeof value === 'string') return printString(value)
  return `[${value.map(printValue).join(', ')}]`
}

/** In the quotes that need no escape, where there are any. */
function printString(text: string): string {
  const quote = text.includes('"') && !text.includes("'") ? "'" : '"'
  const escaped = text
    .replaceAll('\\', '\\\\')
    .replaceAll('\n', '\\n')
    .replaceAll('\t', '\\t')
    .replaceAll(quote, `\\${quote}`)
  return `${quote}${escaped}${quote}`
}
