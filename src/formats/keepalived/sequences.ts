/** `~SEQ(…)` and `~LST(…)` at the beginning of a line: the rest of it once for each value. */

export type Sequence = {
  /** One set of parameters for each time. */
  readonly values: readonly ReadonlyMap<string, string>[]
  readonly rest: string
}

/** More lines than this from one sequence are a slip of the pen. */
const maxValues = 65_536

/** `wrong`: keepalived's words for it, without the line. */
export function readSequence(line: string): Sequence | { readonly wrong: readonly string[] } | undefined {
  const kind = /^~(SEQx?|LST)\(/.exec(line)
  if (kind === null) return undefined
  const end = line.indexOf(')')
  const inside = end < 0 ? undefined : line.slice(kind[0].length, end)
  if (kind[1] === 'LST') {
    const values = inside === undefined ? undefined : readList(inside)
    return values === undefined
      ? { wrong: ['Invalid ~LST specification'] }
      : { values, rest: line.slice(end + 1).trim() }
  }
  if (inside === undefined) return { wrong: ['~SEQ parameter strings too long', 'Invalid ~SEQ specification'] }
  const read = readNumbers(inside, kind[1] === 'SEQx')
  if (typeof read === 'string') return { wrong: [`Invalid ~SEQ ${read}`, 'Invalid ~SEQ specification'] }
  return { values: read, rest: line.slice(end + 1).trim() }
}

type Values = Sequence['values']

/** `var, [start, [step,]] end`: from 1, in steps of 1 towards the end. */
function readNumbers(inside: string, isHex: boolean): Values | 'definition' | 'values' {
  const [name = '', ...written] = inside.split(',').map((word) => word.trim())
  const numbers = written.map((word) => (/^[+-]?[0-9]{1,9}$/.test(word) ? Number(word) : undefined))
  const end = numbers.at(-1)
  if (!isName(name) || end === undefined || numbers.length > 3 || numbers.includes(undefined)) return 'definition'
  const start = numbers.length > 1 ? (numbers[0] ?? 1) : 1
  const step = numbers.length > 2 ? (numbers[1] ?? 1) : start > end ? -1 : 1
  if (step === 0 || (end - start) * step < 0) return 'values'
  const count = Math.floor((end - start) / step) + 1
  if (count > maxValues) return 'values'
  return Array.from(
    { length: count },
    (_, index) => new Map([[name, (start + index * step).toString(isHex ? 16 : 10)]]),
  )
}

/** `var, a, b` or `{v1,v2}, {a,b}, {c,d}`; values that are left out are empty. */
function readList(inside: string): Values | undefined {
  if (/[{}]/.test(inside.replaceAll(/\{[^{}]*\}/g, ''))) return undefined
  const tuples = [...inside.matchAll(/\s*(?:\{([^{}]*)\}|([^,{}]*))\s*(?:,|$)/g)]
    .filter(({ index }, at) => at === 0 || index < inside.length || inside.endsWith(','))
    .map(([, tuple, single = '']) =>
      tuple === undefined ? [single.trim()] : tuple.split(',').map((word) => word.trim()),
    )
  const [names, ...values] = tuples
  if (names === undefined || values.length === 0 || values.length > maxValues || !names.every(isName)) return undefined
  return values.map((tuple) => new Map(names.map((name, at) => [name, tuple[at] ?? ''])))
}

function isName(text: string): boolean {
  return /^[A-Za-z_][A-Za-z0-9_]*$/.test(text)
}
