/** One source out of several files: `include:` names files whose sections are merged in, each name defined once. */
import type { Diagnostic } from './diagnostic.ts'
import { directoryOf, expandHome, joinPath } from './paths.ts'
import {
  type Place,
  problem,
  type Report,
  type SourceEntry,
  type SourceMap,
  type SourceNode,
  textOf,
} from './source.ts'
import type { Environment } from './variables.ts'
import { readYaml } from './yaml.ts'

export type SourceInput = {
  /** As the user named it: diagnostics say it, and what the file names is relative to it. */
  readonly file: string
  readonly text: string
  readonly environment: Environment
  /** The text of a file that this one names; undefined when it cannot be read. */
  readonly readInclude: (path: string) => string | undefined
}

export type Source = {
  /** undefined when the file itself did not parse. */
  readonly root: SourceMap | undefined
  /** Whether all included files are in it; otherwise what seems to be missing may stand in one of the others. */
  readonly isComplete: boolean
  /** All files in the order in which they were read. */
  readonly files: readonly string[]
  readonly findings: readonly Diagnostic[]
}

const maximumFiles = 200

type Loading = {
  readonly input: SourceInput
  readonly report: Report
  readonly files: string[]
  readonly entries: Map<string, SourceEntry>
  isComplete: boolean
}

/** A file's own words come before those of the files it includes; a file included twice counts once. */
export function loadSource(input: SourceInput): Source {
  const findings: Diagnostic[] = []
  const report: Report = (finding) => findings.push(finding)
  const loading: Loading = { input, report, files: [], entries: new Map(), isComplete: true }
  const isRead = loadFile(input.file, input.text, [], loading)
  const place = { file: input.file, line: 1, column: 1 }
  const root: SourceMap | undefined = isRead ? { kind: 'map', entries: loading.entries, place } : undefined
  return { root, isComplete: loading.isComplete, files: loading.files, findings }
}

/** `above`: the files that led here, by normalized path. */
function loadFile(file: string, text: string, above: readonly string[], loading: Loading): boolean {
  loading.files.push(file)
  const node = readYaml(file, text, loading.input.environment, loading.report)
  if (node?.kind === 'map') {
    for (const [key, entry] of node.entries) if (key !== 'include') mergeKey(loading, key, entry)
    const include = node.entries.get('include')?.value
    if (include !== undefined) includeAll(include, [...above, joinPath('.', file)], loading)
    return true
  }
  loading.isComplete = false
  if (node !== undefined) {
    const found = node.kind === 'list' ? 'a list' : 'one value'
    loading.report(problem(node.place, `the file is ${found}: expected a map`, 'begin with a line such as name: shop'))
  }
  return false
}

/** Sections are merged by name; everything else is said once. */
function mergeKey(loading: Loading, key: string, entry: SourceEntry): void {
  const first = loading.entries.get(key)
  if (first === undefined || isEmpty(first.value)) loading.entries.set(key, entry)
  else if (first.value.kind === 'map' && entry.value.kind === 'map') {
    const merged = new Map(first.value.entries)
    for (const [name, member] of entry.value.entries) {
      const other = merged.get(name)
      if (other === undefined) merged.set(name, member)
      else loading.report(definedTwice(`${key}.${name}`, member.key, other.key))
    }
    loading.entries.set(key, { key: first.key, value: { ...first.value, entries: merged } })
  } else if (!isEmpty(entry.value)) loading.report(definedTwice(key, entry.key, first.key))
}

function definedTwice(name: string, second: Place, first: Place): Diagnostic {
  const message = `${name} is defined twice: first in ${first.file}, line ${first.line}`
  return problem(second, message, 'keep one of them, or give this one another name')
}

function isEmpty(node: SourceNode): boolean {
  return node.kind === 'scalar' && node.value === null
}

function includeAll(include: SourceNode, above: readonly string[], loading: Loading): void {
  for (const named of include.kind === 'list' ? include.items : [include]) {
    const text = textOf(named)
    if (text !== undefined && text !== '') includeOne(text, named.place, above, loading)
    else if (include.kind === 'list' || !isEmpty(include))
      loading.report(problem(named.place, 'include names files: expected a path, or a list of paths'))
  }
}

function includeOne(named: string, place: Place, above: readonly string[], loading: Loading): void {
  const { environment, readInclude } = loading.input
  const home = expandHome(named, environment['HOME'])
  if (home === undefined) {
    loading.isComplete = false
    loading.report(problem(place, `cannot tell where ${named} is: the environment has no HOME`))
    return
  }
  const file = joinPath(directoryOf(place.file), home)
  if (above.includes(file)) {
    const way = [...above.slice(above.indexOf(file)), file].join(' → ')
    loading.report(problem(place, `${named} includes itself: ${way}`, 'remove one include of this circle'))
    return
  }
  if (loading.files.some((read) => joinPath('.', read) === file)) return
  if (loading.files.length >= maximumFiles) {
    loading.report(problem(place, `too many files: at most ${maximumFiles} can be included`))
    return
  }
  const text = readInclude(file)
  if (text !== undefined) {
    loadFile(file, text, above, loading)
    return
  }
  loading.isComplete = false
  const hint = 'the path is relative to the file that names it'
  loading.report(problem(place, `cannot read the included file ${file}`, hint))
}
