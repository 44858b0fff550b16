/** The way from the file's text to the spec: read, check everything, say all that is wrong at once. */
import { checkCombinations } from './combinations.ts'
import type { Diagnostic } from './diagnostic.ts'
import { type ChosenEngine, checkEngine } from './engine-check.ts'
import { explain } from './explain.ts'
import { given } from './given.ts'
import { loadSource, type SourceInput } from './include.ts'
import type { ClusterSpec } from './model.ts'
import { type FileReader, normalize } from './normalize.ts'
import { directoryOf, expandHome, joinPath } from './paths.ts'
import { checkReferences } from './references.ts'
import { fileSchema, namedSections } from './schema.ts'
import { type Path, type Place, placeAt, plainValue, problem, type Report, type SourceMap } from './source.ts'

export type SpecInput = SourceInput & {
  /** An absolute directory against which `file` is meant: paths in the spec become absolute then. */
  readonly directory?: string
  /** The engine that is to carry it, when it is known: services that it would refuse are diagnosed then. */
  readonly engine?: (spec: ClusterSpec) => ChosenEngine
}

/** The place of a value by its path, such as ['guests', 'web', 'memory']; where it is not written, of the key above. */
export type PlaceLookup = (path: Path) => Place

export type ParsedSpec = {
  /** There if and only if no diagnostic is an error. */
  readonly spec: ClusterSpec | undefined
  /** By file in reading order, then by line and column. */
  readonly diagnostics: readonly Diagnostic[]
  readonly places: PlaceLookup
  /** What is to carry it, where that was asked for. */
  readonly engine?: ChosenEngine
  /** All files that were read, the file itself first. */
  readonly files: readonly string[]
}

/** Never throws, whatever the text is. */
export function parseSpec(input: SpecInput): ParsedSpec {
  const source = loadSource(input)
  const findings = [...source.findings]
  const places: PlaceLookup = (path) => placeAt(source.root, path, input.file)
  const { spec, engine } = source.root === undefined ? {} : check(source.root, source.isComplete, input, findings)
  const diagnostics = ordered(findings, source.files)
  const common = { diagnostics, places, files: source.files, ...given('engine', engine) }
  return { spec: hasErrors(diagnostics) ? undefined : spec, ...common }
}

function check(
  root: SourceMap,
  isComplete: boolean,
  input: SpecInput,
  findings: Diagnostic[],
): { readonly spec?: ClusterSpec; readonly engine?: ChosenEngine } {
  // A value whose variable or alias is unknown is wrong already: nothing more is said about it.
  const known = new Set(findings.map(positionOf))
  const report: Report = (finding) => {
    if (!known.has(positionOf(finding))) findings.push(finding)
  }
  const read = fileSchema.safeParse(plainValue(withoutEmptySections(root)))
  if (!read.success) {
    const issues = read.error.issues.filter(({ path }) => isComplete || path[0] !== 'name' || root.entries.has('name'))
    for (const finding of explain(issues, root)) report(finding)
  }
  checkCombinations(root, report)
  if (isComplete) checkReferences(root, report)
  if (!read.success || hasErrors(findings)) return {}
  const spec = normalize(read.data, fileReader(root, input, report))
  const engine = input.engine?.(spec)
  if (engine !== undefined) checkEngine(spec, engine, (path) => placeAt(root, path, input.file), report)
  return { spec, ...given('engine', engine) }
}

function positionOf({ file, line, column }: Diagnostic): string {
  return `${file}:${line}:${column}`
}

function hasErrors(findings: readonly Diagnostic[]): boolean {
  return findings.some(({ severity }) => severity === 'error')
}

/** `services:` with everything below it commented out is the same as no services. */
function withoutEmptySections(root: SourceMap): SourceMap {
  const sections: readonly string[] = [...namedSections, 'directors', 'include']
  const written = Array.from(root.entries).filter(
    ([key, { value }]) => !(sections.includes(key) && value.kind === 'scalar' && value.value === null),
  )
  return { ...root, entries: new Map(written) }
}

function fileReader(root: SourceMap, input: SpecInput, report: Report): FileReader {
  const resolve = pathResolver(root, input, report)
  const refuse: FileReader['refuse'] = (path, message, hint) =>
    report(problem(placeAt(root, path, input.file), message, hint))
  return {
    resolve,
    refuse,
    read(written, path) {
      const file = resolve(written, path)
      const text = input.readInclude(file)
      if (text === undefined)
        refuse(path, `${file} cannot be read`, 'a relative name counts from the directory of the file that names it')
      return text
    },
  }
}

/** Relative to the file that names the path. */
function pathResolver(root: SourceMap, input: SpecInput, report: Report): (written: string, path: Path) => string {
  return (written, path) => {
    const place = placeAt(root, path, input.file)
    const home = expandHome(written, input.environment['HOME'])
    if (home === undefined)
      report(problem(place, `cannot tell where ${written} is: the environment has no HOME`, 'write the whole path'))
    const relative = joinPath(directoryOf(place.file), home ?? written)
    return input.directory === undefined ? relative : joinPath(input.directory, relative)
  }
}

function ordered(findings: readonly Diagnostic[], files: readonly string[]): Diagnostic[] {
  const key = (finding: Diagnostic): string => `${positionOf(finding)}:${finding.message}`
  const unique = new Map(findings.map((finding) => [key(finding), finding]))
  return [...unique.values()].sort(
    (a, b) =>
      files.indexOf(a.file) - files.indexOf(b.file) ||
      a.line - b.line ||
      a.column - b.column ||
      (a.message < b.message ? -1 : a.message > b.message ? 1 : 0),
  )
}
