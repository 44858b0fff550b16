/** Puts the words of one option into the domain's XML, by the table of its sub-options. */
import { nearest } from '../../cluster/spec/suggest.ts'
import { addElement, type Element, elementsAt, ensureAt, removeAt, setAt } from '../../formats/domain-xml/document.ts'
import { todaysName } from './old-words.ts'
import { Refusal } from './refusal.ts'
import { readNumber, readSwitch, setFeature } from './settings.ts'
import { specials } from './special.ts'
import { type OptionTable, optionTables, type SubOption } from './sub-options.ts'
import { nameFirst, splitWords, type Word } from './words.ts'

export type Applied = { readonly element: Element; readonly words: ReadonlyMap<string, string> }

/** Adds or changes what the option names. `option` without `--`. @throws Refusal that names the wrong word and the nearest right one */
export function applyOption(domain: Element, option: string, text: string): Applied {
  const table = optionTables[option]
  if (table === undefined) throw new Refusal(`unknown option --${option}`, 2)
  const words =
    option === 'qemu-commandline'
      ? wholeText(text)
      : nameFirst(splitWords(text), table.first).map((word) => ({ ...word, name: todaysName(option, word.name) }))
  const element = elementOf(domain, table, words)
  applyWords(domain, element, option, table, words, text)
  return { element, words: new Map(words.map(({ name, value }) => [name, value ?? ''])) }
}

/** QEMU's own arguments have commas of their own. */
function wholeText(text: string): Word[] {
  const [, name = 'args', value = text] = /^(args|env)=(.*)$/s.exec(text) ?? []
  return [{ name, value }]
}

function elementOf(domain: Element, table: OptionTable, words: readonly Word[]): Element {
  if (table.element === '@') return domain
  if (!table.repeats) {
    if (words.some(({ name, value }) => name === 'clearxml' && value === 'yes')) removeAt(domain, table.element)
    return ensureAt(domain, table.element)
  }
  const at = table.element.lastIndexOf('/')
  const parent = at <= 1 ? domain : ensureAt(domain, table.element.slice(0, at))
  return addElement(parent, table.element.slice(at + 1))
}

function applyWords(
  domain: Element,
  element: Element,
  option: string,
  table: OptionTable,
  words: readonly Word[],
  text: string,
): void {
  for (const { name, value } of words) {
    if (name === 'clearxml') continue
    const xpath = /^xpath(\d*)\.(set|delete|create|value)$/.exec(name)
    if (xpath !== null) {
      applyXpath(element, xpath[1] ?? '', xpath[2] ?? '', value ?? '', words)
      continue
    }
    if (option === 'xml' && value !== undefined) {
      setAt(element, name, value)
      continue
    }
    const special = specials[`${option}.${name}`] ?? specials[`${option}.${name.replaceAll(/\d+/g, '#')}`]
    const found = findSubOption(table, name)
    const context = { domain, element, option, name, value, words }
    if (found?.kind === 'number' && value !== undefined) readNumber(option, name, value)
    if (special !== undefined) special(context)
    else if (option === 'cpu' && /^[+-]/.test(name))
      setFeature(element, name[0] === '+' ? 'force' : 'disable', name.slice(1))
    else if (found === undefined) throw unknownSubOption(option, name, table, text)
    else if (found.special) specials[`*.${found.name}`]?.(context)
    else setValue(domain, element, found, option, name, value)
  }
}

/** `xpath0.set=./a/@b,xpath0.value=c`, `xpath.delete=./a`, `xpath.set=./a=c`. */
function applyXpath(element: Element, number: string, what: string, value: string, words: readonly Word[]): void {
  if (what === 'value') return
  if (what === 'delete') return removeAt(element, value)
  if (what === 'create') return void ensureAt(element, value)
  const own = words.find(({ name }) => name === `xpath${number}.value`)?.value
  if (own !== undefined) return setAt(element, value, own)
  const [, path = value, text = ''] = /^((?:[^=[\]]|\[[^\]]*\])+)=(.*)$/s.exec(value) ?? []
  setAt(element, path, text)
}

/** With its number in the place of `#`: `timer1.name` is the second timer. */
function findSubOption(table: OptionTable, name: string): SubOption | undefined {
  const plain = table.subOptions.get(name)
  if (plain !== undefined) return plain
  const numbers: string[] = []
  const parts = name.split('.').map((part) => {
    const [, word, number] = /^([a-zA-Z_-]+?)(\d+)$/.exec(part) ?? []
    if (word === undefined || number === undefined) return part
    numbers.push(number)
    return `${word}#`
  })
  const found = table.subOptions.get(parts.join('.')) ?? table.subOptions.get(withoutNumbers(name, table))
  if (found === undefined) return undefined
  const path = found.path.replaceAll('#', () => `[${Number(numbers.shift() ?? 0) + 1}]`)
  return { ...found, name, path }
}

/** The first of several may be written without a number. */
function withoutNumbers(name: string, table: OptionTable): string {
  for (const known of table.subOptions.keys()) if (known.replaceAll('#', '') === name) return known
  return name
}

function setValue(
  domain: Element,
  element: Element,
  { path, kind }: SubOption,
  option: string,
  name: string,
  value: string | undefined,
): void {
  if (value === undefined) throw new Refusal(`Error: --${option} ${name}: Option '${name}' had no value set.`)
  const [from, at] = path.startsWith('/') ? [domain, `.${path}`] : [element, path]
  if (kind === 'text') return setAt(from, at, value)
  if (kind === 'number') return setAt(from, at, readNumber(option, name, value))
  const isOn = readSwitch(option, name, value)
  if (kind === 'yes-no') return setAt(from, at, isOn ? 'yes' : 'no')
  if (kind === 'on-off') return setAt(from, at, isOn ? 'on' : 'off')
  if (isOn) ensureAt(from, at)
  else if (elementsAt(from, at).length > 0) removeAt(from, at)
}

function unknownSubOption(option: string, name: string, table: OptionTable, text: string): Refusal {
  const names = [...table.subOptions.keys()].map((known) => known.replaceAll('#', '0'))
  const near = nearest(name, names)
  const hint = near === undefined ? `--${option}=? lists what there is` : `did you mean ${near}?`
  return new Refusal(`Error: --${option} ${text}: Unknown --${option} options: ['${name}']; ${hint}`)
}
