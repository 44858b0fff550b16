/** `${VAR}` and `${VAR:-default}` from the environment; `$$` is a dollar sign. */

export type Environment = Readonly<Record<string, string | undefined>>

/** `problems` in words; the text keeps what could not be replaced. */
export type Expansion = { readonly text: string; readonly problems: readonly { message: string; hint: string }[] }

const reference = /^\{([A-Za-z_][A-Za-z0-9_]*)(?::-([^}]*))?\}/

export function expandVariables(text: string, environment: Environment): Expansion {
  const problems: { message: string; hint: string }[] = []
  let expanded = ''
  let rest = text
  for (let dollar = rest.indexOf('$'); dollar >= 0; dollar = rest.indexOf('$')) {
    expanded += rest.slice(0, dollar)
    rest = rest.slice(dollar + 1)
    const [whole = '', name = '', fallback] = reference.exec(rest) ?? []
    if (whole === '' && rest.startsWith('{')) problems.push(malformed)
    if (rest.startsWith('$')) {
      expanded += '$'
      rest = rest.slice(1)
    } else if (whole === '') expanded += '$'
    else {
      const value = valueOf(name, fallback, environment)
      if (value === undefined) problems.push(undefinedVariable(name))
      expanded += value ?? `$${whole}`
      rest = rest.slice(whole.length)
    }
  }
  return { text: expanded + rest, problems }
}

/** As the shell does: the default stands in for a variable that is unset or empty. */
function valueOf(name: string, fallback: string | undefined, environment: Environment): string | undefined {
  const value = Object.hasOwn(environment, name) ? environment[name] : undefined
  return fallback !== undefined && (value === undefined || value === '') ? fallback : value
}

const malformed = {
  message: 'this ${ does not begin a variable: expected ${NAME} or ${NAME:-default}',
  hint: 'write $$ for a dollar sign',
}

function undefinedVariable(name: string): { message: string; hint: string } {
  return {
    message: `the environment has no variable ${name}`,
    hint: `set it, or give a default: \${${name}:-default}`,
  }
}

/** Unicode's private use area: characters that mean nothing to YAML, one for each ASCII character. */
const maskBase = 0xf600
const masked = /[\uf600-\uf67f]/g

/**
 * Hides references from the YAML parser, to which `{` and `:` mean something: `{ count: ${N} }` needs no quotes then.
 * Every character keeps its place.
 */
export function maskVariables(text: string): string {
  if (text.search(masked) >= 0) return text
  return text.replace(/\$+\{[\x20-\x7e]*?\}/g, (whole) =>
    /["'{]/.test(whole.slice(whole.indexOf('{') + 1))
      ? whole
      : String.fromCharCode(...Array.from(whole, (character) => maskBase + character.charCodeAt(0))),
  )
}

export function unmaskVariables(text: string): string {
  return text.replace(masked, (character) => String.fromCharCode(character.charCodeAt(0) - maskBase))
}

/** An unquoted value after its variables were replaced: a number, boolean or nothing as YAML 1.2's core schema reads it. */
export function plainScalar(text: string): string | number | boolean | null {
  if (/^(~|null|Null|NULL|)$/.test(text)) return null
  if (/^(true|True|TRUE)$/.test(text)) return true
  if (/^(false|False|FALSE)$/.test(text)) return false
  if (/^[-+]?([0-9]+(\.[0-9]*)?|\.[0-9]+)([eE][-+]?[0-9]+)?$/.test(text)) return Number(text)
  return text
}
