/** What a terminal in raw mode sends, as names of keys. Pure. */

const escape = '\u001b'

const sequences: Readonly<Record<string, string>> = { '[A': 'up', '[B': 'down', OA: 'up', OB: 'down' }

const names: Readonly<Record<string, string>> = { '\u0003': 'ctrl-c', '\r': 'enter', '\n': 'enter' }

/** Unknown escape sequences are dropped as a whole, so that no piece of one is taken for a key. */
export function decodeKeys(text: string): string[] {
  const [plain = '', ...escaped] = text.split(escape)
  return [...plainKeys(plain), ...escaped.flatMap(escapedKeys)]
}

function plainKeys(text: string): string[] {
  return Array.from(text).map((character) => names[character] ?? character)
}

function escapedKeys(text: string): string[] {
  const sequence = /^(?:\[[0-9;?]*[ -/]*[@-~]|O.)/.exec(text)?.[0]
  if (sequence === undefined) return ['escape', ...plainKeys(text)]
  return [...[sequences[sequence] ?? []].flat(), ...plainKeys(text.slice(sequence.length))]
}
