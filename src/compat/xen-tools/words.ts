/**
 * Words of the xen-tools, read as Perl's Getopt::Long reads them: shortened names, `-name`, `=value` or the next word, letters of
 * either case. Pure.
 */

/**
 * `flag`: no value. `switch`: also as `--noNAME` and `--no-NAME`. `value`: one, the last counts. `values`: each counts.
 * `optional`: a value or none, which is ''.
 */
export type OptionKind = 'flag' | 'switch' | 'value' | 'values' | 'optional'
export type OptionTable = Readonly<Record<string, OptionKind>>

export type ReadWords = {
  /** Each option that was given, with its values; `yes` or `no` for one without. */
  readonly given: ReadonlyMap<string, readonly string[]>
  /** Words that belong to no option. */
  readonly rest: readonly string[]
  /** What the original says on standard error. */
  readonly complaints: readonly string[]
}

export function readWords(words: readonly string[], table: OptionTable): ReadWords {
  const given = new Map<string, readonly string[]>()
  const rest: string[] = []
  const complaints: string[] = []
  for (let at = 0; at < words.length; at += 1) {
    const word = words[at] ?? ''
    if (word === '--') {
      rest.push(...words.slice(at + 1))
      break
    }
    const [, written, equals] = /^--?([^=-][^=]*)(?:=(.*))?$/s.exec(word) ?? []
    if (written === undefined) {
      rest.push(word)
      continue
    }
    const option = optionOf(written, table)
    if (typeof option === 'string') {
      complaints.push(option)
      continue
    }
    const { name, kind, isOn } = option
    if (kind === 'flag' || kind === 'switch') {
      if (equals === undefined) given.set(name, [isOn ? 'yes' : 'no'])
      else complaints.push(`Option ${name} does not take an argument`)
      continue
    }
    const next = words[at + 1]
    const mayTakeNext = equals === undefined && next !== undefined && (kind !== 'optional' || !next.startsWith('-'))
    if (mayTakeNext) at += 1
    const value = equals ?? (mayTakeNext ? next : kind === 'optional' ? '' : undefined)
    if (value === undefined) complaints.push(`Option ${name} requires an argument`)
    else given.set(name, kind === 'values' ? [...(given.get(name) ?? []), value] : [value])
  }
  return { given, rest, complaints }
}

type Found = { readonly name: string; readonly kind: OptionKind; readonly isOn: boolean }

/** By its name, or what it begins with where that is one option's alone; else the complaint. */
function optionOf(written: string, table: OptionTable): Found | string {
  const wanted = written.toLowerCase()
  const spellings = Object.entries(table).flatMap(([name, kind]): (Found & { readonly spelling: string })[] => {
    const on = { spelling: name.toLowerCase(), name, kind, isOn: true }
    if (kind !== 'switch') return [on]
    return [on, ...[`no${name}`, `no-${name}`].map((spelling) => ({ ...on, spelling, isOn: false }))]
  })
  const exact = spellings.find(({ spelling }) => spelling === wanted)
  if (exact !== undefined) return exact
  const matches = spellings.filter(({ spelling }) => spelling.startsWith(wanted))
  const names = new Set(matches.map(({ name, isOn }) => `${isOn} ${name}`))
  const [first] = matches
  if (first !== undefined && names.size === 1) return first
  return names.size === 0 ? `Unknown option: ${written}` : `Option ${written} is ambiguous`
}
