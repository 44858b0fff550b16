/** What the schema found, in words for people: one diagnostic for each wrong value, at its place. */
import type * as z from 'zod'
import type { Diagnostic } from './diagnostic.ts'
import { type LeafIssue, show } from './leaf.ts'
import {
  keyPlace,
  members,
  nodeAt,
  type Path,
  type Place,
  placeAt,
  problem,
  type SourceMap,
  type SourceNode,
} from './source.ts'
import { didYouMean, nearest } from './suggest.ts'

type Issue = z.core.$ZodIssue

export function explain(issues: readonly Issue[], root: SourceMap): Diagnostic[] {
  return issues.flatMap((issue) => explainIssue(issue, [], root))
}

/** A key that is missing because it is misspelt is one mistake, said once: at the unknown key. */
function isMisspelt(root: SourceMap, path: Path): boolean {
  const siblings = members(nodeAt(root, path.slice(0, -1)))
  return siblings.some(([key]) => nearest(key, [String(path.at(-1))]) !== undefined)
}

function explainIssue(issue: Issue, above: Path, root: SourceMap): Diagnostic[] {
  const path = [...above, ...issue.path.map((step) => (typeof step === 'number' ? step : String(step)))]
  if (issue.code === 'invalid_union')
    return chooseForm(issue.errors).flatMap((inner) => explainIssue(inner, path, root))
  if (issue.code === 'unrecognized_keys')
    return issue.keys.map((key) => unknownKey(key, path, issue.message.split(' '), root))
  const expected = expectation(issue)
  const node = nodeAt(root, path)
  const label = labelOf(path)
  if (node === undefined && isMisspelt(root, path)) return []
  if (node === undefined)
    return [problem(missingPlace(root, path), `${whereOf(path.slice(0, -1))} has no ${label}: expected ${expected}`)]
  const leafIssue = leafIssueOf(issue)
  if (leafIssue?.isWhole) return [problem(node.place, issue.message, leafIssue.hint)]
  if (isNothing(node)) return [problem(node.place, `${label} has no value: expected ${expected}`)]
  const found = leafIssue === undefined ? `expected ${expected}, found ${describe(node)}` : issue.message
  return [problem(node.place, `${label}: ${found}`, leafIssue?.hint ?? shapeHint(issue, node))]
}

/** Of a value that may be written in several forms, the form that was meant. */
function chooseForm(forms: readonly (readonly Issue[])[]): readonly Issue[] {
  const isOtherForm = (issue: Issue): boolean =>
    issue.path.length === 0 && (issue.code === 'custom' || issue.code === 'invalid_type')
  return forms.find((form) => !form.some(isOtherForm)) ?? forms[0] ?? []
}

function unknownKey(key: string, path: Path, known: readonly string[], root: SourceMap): Diagnostic {
  const place = keyPlace(root, [...path, key]) ?? placeAt(root, path, root.place.file)
  const message = `unknown key ${show(key)}${didYouMean(key, known)}`
  return problem(place, message, `${whereOf(path)} takes ${known.join(', ')}`)
}

function leafIssueOf(issue: Issue): LeafIssue | undefined {
  return issue.code === 'custom' ? (issue.params as LeafIssue | undefined) : undefined
}

function expectation(issue: Issue): string {
  const leafIssue = leafIssueOf(issue)
  if (leafIssue !== undefined) return leafIssue.expected
  const words: Readonly<Record<string, string>> = {
    array: 'a list',
    object: 'a map of KEY: VALUE',
    record: 'a map of NAME: VALUE',
  }
  const type = issue.code === 'invalid_type' ? issue.expected : 'value'
  return words[type] ?? `a ${type}`
}

function shapeHint(issue: Issue, node: SourceNode): string | undefined {
  if (issue.code !== 'invalid_type') return undefined
  if (issue.expected === 'array') return 'begin each entry with "- ", or write [a, b]'
  if (node.kind === 'list') return 'write NAME: instead of "- "'
  const isGlued = node.kind === 'scalar' && typeof node.value === 'string' && /^[\w-]+:\S/.test(node.value)
  return isGlued ? 'put a space after the colon' : undefined
}

function describe(node: SourceNode): string {
  return node.kind === 'scalar' ? show(node.value) : node.kind === 'list' ? 'a list' : 'a map'
}

export function isNothing(node: SourceNode | undefined): boolean {
  return node?.kind === 'scalar' && (node.value === null || node.value === '')
}

/** Where something is missing: at the key of the map that lacks it. */
export function missingPlace(root: SourceMap, path: Path): Place {
  return keyPlace(root, path.slice(0, -1)) ?? placeAt(root, path, root.place.file)
}

/** The thing at a path, in words: `guests.web`, `an entry of services.www.servers`, `the file`. */
export function whereOf(path: Path): string {
  if (path.length === 0) return 'the file'
  return typeof path.at(-1) === 'number' ? `an entry of ${path.slice(0, -1).join('.')}` : path.join('.')
}

/** The nearest key of a path: what a value is called in a message. */
function labelOf(path: Path): string {
  return path.findLast((step) => typeof step === 'string') ?? 'the file'
}
