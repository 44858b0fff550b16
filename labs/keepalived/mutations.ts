/** Files of keepalived with one slip of the pen each, by a seed: the same seed, the same slips. Pure. */

export type Mutation = { readonly what: string; readonly text: string }

/** A number from 0 to below `below`. */
export type Chance = (below: number) => number

/** Numerical Recipes' linear congruential generator: no more is needed than that it is the same each time. */
export function chanceOf(seed: number): Chance {
  let state = seed >>> 0
  return (below) => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0
    return Math.floor((state / 2 ** 32) * below)
  }
}

type Slip = (line: string, chance: Chance) => readonly string[] | undefined

/** A line with something on it, and what it becomes; undefined where there is nothing to change. */
const slips: Readonly<Record<string, Slip>> = {
  'a line is missing': () => [],
  'a line stands twice': (line) => (/[{}]/.test(line) ? undefined : [line, line]),
  'a keyword is misspelt': (line, chance) => {
    const [, before = '', word = '', after = ''] = /^(\s*)([a-z_]{3,})(.*)$/is.exec(line) ?? []
    if (word === '') return undefined
    const at = chance(word.length - 1)
    return [`${before}${word.slice(0, at)}${word.charAt(at + 1)}${word.charAt(at)}x${word.slice(at + 2)}${after}`]
  },
  'a brace is missing': (line) => (/[{}]/.test(line) ? [line.replace(/[{}]/, '')] : undefined),
  'a brace is too many': (line, chance) => [line, chance(2) === 0 ? '}' : '{'],
  'a number is none': (line) => (/\b\d+\s*$/.test(line) ? [line.replace(/\d+\s*$/, 'many')] : undefined),
  'a number is too large': (line) => (/\b\d+\s*$/.test(line) ? [line.replace(/\d+\s*$/, '99999999')] : undefined),
  'a number is negative': (line) => (/\b\d+\s*$/.test(line) ? [line.replace(/(\d+\s*)$/, '-$1')] : undefined),
  'an address is none': (line) => (/\d+\.\d+\.\d+\.\d+/.test(line) ? [line.replace(/\d+\.\d+\.\d+\.\d+/, '10.0.0.300')] : undefined),
  'a word is missing': (line) => (/^\s*\S+\s+[^{}\s]+/.test(line) ? [line.replace(/^(\s*\S+).*$/s, '$1')] : undefined),
  'a word is too many': (line) => (/[{}]/.test(line) ? undefined : [`${line} more`]),
} // biome-ignore format: one each

/** One slip in a line that has something on it. */
export function mutated(text: string, chance: Chance): Mutation {
  const lines = text.split('\n')
  const names = Object.keys(slips)
  for (;;) {
    const at = chance(lines.length)
    const name = names[chance(names.length)] ?? ''
    const line = lines[at] ?? ''
    if (line.trim() === '' || /^\s*[#!]/.test(line)) continue
    const next = slips[name]?.(line, chance)
    if (next === undefined) continue
    return { what: `line ${at + 1}: ${name}`, text: lines.toSpliced(at, 1, ...next).join('\n') }
  }
}
