/** `$NAME=value`: parameters of a keepalived.conf, replaced where a line is used, so that the last value counts. */

/** Longer than any line that is meant: a parameter that contains itself would grow without end. */
const maxLength = 65_536
const maxReplacements = 1000

export type Parameters = ReadonlyMap<string, string>

/** `$NAME=value` with nothing before the sign. */
export function readDefinition(line: string): { readonly name: string; readonly value: string } | undefined {
  const [, name, value = ''] = /^\$([A-Za-z_][A-Za-z0-9_]*)=(.*)$/s.exec(line) ?? []
  return name === undefined ? undefined : { name, value: value.trim() }
}

/**
 * `$NAME` (up to what is no letter of a name) and `${NAME}`, the last one of the line first, as keepalived has it: `$a$b`
 * joins a's name with b's value. Those that nobody defined stay. undefined: the line never comes to an end.
 */
export function expandParameters(
  line: string,
  parameters: Parameters,
  computed: (written: string) => string | undefined,
): string | undefined {
  let text = line
  let before = text.length
  for (let replaced = 0; replaced <= maxReplacements; replaced += 1) {
    const found = lastKnown(text, before, parameters, computed)
    if (found === undefined) return text
    text = text.slice(0, found.begin) + found.value + text.slice(found.end)
    // What was put in may name parameters itself.
    before = found.begin + found.value.length
    if (text.length > maxLength) return undefined
  }
  return undefined
}

type Found = { readonly begin: number; readonly end: number; readonly value: string }

function lastKnown(
  text: string,
  before: number,
  parameters: Parameters,
  computed: (written: string) => string | undefined,
): Found | undefined {
  for (let begin = text.lastIndexOf('$', before); begin >= 0; begin = text.lastIndexOf('$', begin - 1)) {
    const [whole, braced, plain] = /^\$(?:\{([^{}]*)\}|([A-Za-z_][A-Za-z0-9_]*))/.exec(text.slice(begin)) ?? []
    if (whole === undefined) {
      if (begin === 0) return undefined
      continue
    }
    const value = parameters.get(braced ?? plain ?? '') ?? (braced === undefined ? undefined : computed(braced))
    if (value !== undefined) return { begin, end: begin + whole.length, value }
    if (begin === 0) return undefined
  }
  return undefined
}
