/** What references of all kinds are checked with: names that must be known, things that may be there once. */
import { defaultHost } from './schema.ts'
import {
  child,
  items,
  members,
  nodeAt,
  type Place,
  problem,
  type Report,
  type SourceMap,
  type SourceNode,
  textOf,
} from './source.ts'
import { didYouMean } from './suggest.ts'

export function namesOf(root: SourceMap, section: string): string[] {
  return members(child(root, section)).map(([name]) => name)
}

/** The hosts that direct, as they are written; the first host when none is. */
export function directingHosts(root: SourceMap): string[] {
  const written = items(nodeAt(root, ['directors', 'hosts'])).flatMap((node) => textOf(node) ?? [])
  return written.length > 0 ? written : [namesOf(root, 'hosts')[0] ?? defaultHost.name]
}

/** Reports a name that is not among `known`. Values that are no text were refused already. */
export function checkKnown(node: SourceNode | undefined, what: string, known: readonly string[], report: Report): void {
  const name = textOf(node)
  if (node === undefined || name === undefined || name === '' || known.includes(name)) return
  const pool = /^(.+)-[1-9][0-9]*$/.exec(name)?.[1]
  if (what === 'guest pool' && pool !== undefined && known.includes(pool)) {
    report(problem(node.place, `${name} is one guest: expected the name of a pool`, `write ${pool} for all its guests`))
    return
  }
  const hint = known.length === 0 ? `no ${what} is defined in this file` : `there is ${known.slice(0, 20).join(', ')}`
  report(problem(node.place, `there is no ${what} ${name}${didYouMean(name, known)}`, hint))
}

/** Reports what is there a second time, naming the first. */
export function takeOnce(
  taken: Map<string, Place>,
  key: string,
  place: Place,
  message: (first: string) => string,
  report: Report,
): void {
  const first = taken.get(key)
  if (first === undefined) taken.set(key, place)
  else
    report(
      problem(place, message(first.file === place.file ? `line ${first.line}` : `${first.file}, line ${first.line}`)),
    )
}
