/** The files of a pattern as glob(3) with braces finds them: what an include of a keepalived.conf names. */
import { type Dirent, readdirSync, statSync } from 'node:fs'
import { resolve } from 'node:path'

/** More from one pair of braces after another are a slip of the pen. */
const maxPatterns = 4096

/** `a{b,c}d` as `abd` and `acd`, from left to right. */
export function expandBraces(pattern: string): readonly string[] {
  let patterns = [pattern]
  for (let braced = true; braced && patterns.length <= maxPatterns; ) {
    braced = false
    patterns = patterns.flatMap((one) => {
      const [whole, before = '', inside = '', after = ''] = /^(.*?)\{([^{}]*)\}(.*)$/s.exec(one) ?? []
      if (whole === undefined) return [one]
      braced = true
      return inside.split(',').map((part) => before + part + after)
    })
  }
  return patterns.slice(0, maxPatterns)
}

const hasWildcard = (text: string): boolean => /[*?[]/.test(text)

/** Files and directories that match, sorted; names without a wildcard that are not there are none. */
export function matchingPaths(pattern: string, directory: string): readonly string[] {
  const absolute = resolve(directory, pattern)
  if (!hasWildcard(pattern)) return exists(absolute) ? [absolute] : []
  return absolute
    .split('/')
    .filter((part) => part !== '')
    .reduce<readonly string[]>(
      (paths, part) =>
        hasWildcard(part)
          ? paths.flatMap((path) => names(path, part).map((name) => `${path}/${name}`))
          : paths.map((path) => `${path}/${part}`),
      [''],
    )
    .filter(exists)
}

function exists(path: string): boolean {
  return statSync(path, { throwIfNoEntry: false }) !== undefined
}

function names(directory: string, pattern: string): readonly string[] {
  const matches = new RegExp(`^${patternSource(pattern)}$`, 's')
  let entries: readonly Dirent[]
  try {
    entries = readdirSync(`${directory}/`, { withFileTypes: true })
  } catch {
    // A directory that cannot be read has no matches, as for glob(3) without GLOB_ERR.
    return []
  }
  return entries
    .map(({ name }) => name)
    .filter((name) => (!name.startsWith('.') || pattern.startsWith('.')) && matches.test(name))
    .toSorted()
}

function patternSource(pattern: string): string {
  return pattern.replaceAll(/\[!?[^\]]+\]|[*?]|[\\^$.|+()[\]{}]/g, (found) => {
    if (found === '*') return '.*'
    if (found === '?') return '.'
    return found.length > 2 ? found.replace(/^\[!/, '[^').replaceAll('\\', '\\\\') : `\\${found}`
  })
}
