/** From a file to the lines that count: comments gone, conditions decided, includes read, parameters and sequences replaced. */
import { type Place, type Report, Unreadable } from './finding.ts'
import { expandParameters, readDefinition } from './parameters.ts'
import { readSequence } from './sequences.ts'
import { withoutComment } from './words.ts'

export type Line = { readonly text: string; readonly place: Place }

/** `file`: its name in messages. `directory`: where the relative names in it begin. */
export type IncludedFile = { readonly file: string; readonly directory: string; readonly text: string }

/** The files of a pattern (glob(7) with braces), in order; relative ones begin at `directory`. */
export type Included = {
  readonly files: readonly IncludedFile[]
  /** Names without a wildcard that are not there or cannot be read. */
  readonly missing: readonly string[]
  readonly directories: readonly string[]
}

export type Surroundings = {
  /** -i; the machine's name when left out on the command line. Without one, no condition holds. */
  readonly configId?: string
  /** -e: every include is an includea. */
  readonly allIncludes?: boolean
  /** `${_INSTANCE}`, `${_PWD}`. */
  readonly instance?: string
  readonly directory?: string
  include(this: void, pattern: string, directory: string): Included
  /** `${_RANDOM [min [max]]}`: from 0 to below 1. */
  random(this: void): number
}

/** keepalived's MAX_LINE: what is longer goes on as another line. */
const maxLineLength = 1023
/** Includes within includes. */
const maxDepth = 32
/** What a file may become: more is a slip of the pen. */
const maxLines = 200_000

export function readLines(main: IncludedFile, surroundings: Surroundings, report: Report): readonly Line[] {
  const lines: Line[] = []
  const parameters = new Map<string, string>()
  const computed = computedValues(surroundings)

  const put = (text: string, place: Place, own: ReadonlyMap<string, string>): void => {
    const known = own.size === 0 ? parameters : new Map([...parameters, ...own])
    const expanded = expandParameters(text, known, computed)
    if (expanded === undefined)
      fail(place, `the parameters of this line never come to an end: one of them contains itself`)
    for (const part of (expanded ?? '').split('\n')) {
      const trimmed = part.trim()
      if (trimmed === '') continue
      if (part !== text && trimmed.startsWith('~')) takeSequences(trimmed, place, own)
      else lines.push({ text: trimmed, place })
      if (lines.length > maxLines) fail(place, `the file becomes more than ${maxLines} lines here`)
    }
  }
  const takeSequences = (text: string, place: Place, own: ReadonlyMap<string, string>): void => {
    const sequence = readSequence(text)
    if (sequence === undefined) put(text, place, own)
    else if ('wrong' in sequence) for (const wrong of sequence.wrong) report(5, place, `${wrong} '${text}'`)
    else if (sequence.rest !== '')
      for (const values of sequence.values) takeSequences(sequence.rest, place, new Map([...own, ...values]))
  }
  const fail = (place: Place, message: string): never => {
    report(5, place, message)
    throw new Unreadable(message)
  }

  const read = ({ file, directory, text }: IncludedFile, depth: number): void => {
    const physical = text.split('\n')
    let definition: { readonly name: string; readonly parts: string[] } | undefined
    for (const [index, whole] of physical.entries()) {
      const place = { file, line: index + 1 }
      for (const raw of pieces(whole.replace(/\r$/, ''))) {
        const bare = withoutComment(raw)
        if (definition !== undefined) {
          const isLast = !bare.endsWith('\\')
          definition.parts.push(isLast ? bare : bare.slice(0, -1).trim())
          if (!isLast) continue
          parameters.set(definition.name, definition.parts.filter((part) => part !== '').join('\n'))
          definition = undefined
          continue
        }
        const [, kind, pattern] = /^include([rmwba]?)\s+(.*)$/.exec(bare) ?? []
        if (kind !== undefined) {
          if (depth >= maxDepth) fail(place, `files include each other ${maxDepth} deep`)
          for (const included of takeInclude(
            kind,
            (pattern ?? '').replaceAll('"', ''),
            { place, directory },
            surroundings,
            report,
          ))
            read(included, depth + 1)
          continue
        }
        const kept = conditional(bare, surroundings.configId)
        if (kept === '') continue
        const defined = readDefinition(kept)
        if (defined === undefined) takeSequences(kept, place, new Map())
        else if (defined.value.endsWith('\\'))
          definition = { name: defined.name, parts: [defined.value.slice(0, -1).trim()] }
        else parameters.set(defined.name, defined.value)
      }
    }
  }
  read(main, 0)
  return lines
}

function pieces(line: string): readonly string[] {
  if (line.length <= maxLineLength) return [line]
  return Array.from({ length: Math.ceil(line.length / maxLineLength) }, (_, index) =>
    line.slice(index * maxLineLength, (index + 1) * maxLineLength),
  )
}

/** `@id line` only on that machine, `@^id line` on all others; empty when it does not count. */
function conditional(line: string, configId: string | undefined): string {
  if (!line.startsWith('@')) return line
  const [, not = '', id = '', rest = ''] = /^@(\^?)(\S*)\s*(.*)$/.exec(line) ?? []
  if (id === '' || configId === undefined) return ''
  return (id === configId) === (not === '') ? rest : ''
}

/** What each kind insists on: files that can be read (r), a match (m), of wildcards (w), of braces (b), all of it (a). */
function takeInclude(
  written: string,
  pattern: string,
  { place, directory: from }: { readonly place: Place; readonly directory: string },
  { include, allIncludes = false }: Surroundings,
  report: Report,
): readonly IncludedFile[] {
  const kind = allIncludes ? 'a' : written
  const { files, missing, directories } = include(pattern, from)
  for (const directory of directories)
    report(kind === '' ? 0 : 6, place, `Configuration file '${directory}/' is a directory - skipping`)
  const hasWildcard = /[*?[]/.test(pattern)
  const hasBrace = pattern.includes('{')
  if (missing.length > 0 && files.length > 0)
    report(kind === 'a' || kind === 'b' ? 6 : 0, place, `Some config files missing: "${pattern}".`)
  else if (missing.length > 0)
    report(
      kind === 'a' || kind === 'm' || kind === 'w' || (kind === 'b' && hasBrace) ? 6 : 0,
      place,
      `Config files missing '${pattern}'.`,
    )
  else if (files.length + directories.length === 0 && hasWildcard && (kind === 'w' || kind === 'a'))
    report(6, place, `No config files matched '${pattern}'.`)
  // An include that lacks one of its braces brings none of them where all are asked for.
  return missing.length > 0 && (kind === 'a' || kind === 'b') ? [] : files
}

function computedValues({ instance, directory, random }: Surroundings): (written: string) => string | undefined {
  return (written) => {
    const [name, ...limits] = written.trim().split(/\s+/)
    if (name === '_PWD') return directory
    if (name === '_INSTANCE') return instance ?? ''
    if (name === '_HASH') return '#'
    if (name === '_BANG') return '!'
    if (name !== '_RANDOM' || !limits.every((limit) => /^[0-9]{1,9}$/.test(limit))) return undefined
    const [least = 0, most = 32_767] = limits.map(Number)
    return String(least + Math.floor(random() * Math.max(1, most - least + 1)))
  }
}
