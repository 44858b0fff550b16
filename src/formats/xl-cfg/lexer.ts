/** The words of an xl.cfg (xl.cfg(5); Xen 4.17, tools/libs/util/libxlu_cfg_l.l), each with its place. Nothing is lost: the places cover the text. */

export type Place = { readonly from: number; readonly to: number; readonly line: number; readonly column: number }

export type Token = Place &
  (
    | { readonly kind: 'key'; readonly text: string }
    | { readonly kind: 'string'; readonly value: string }
    | { readonly kind: 'number'; readonly value: number }
    | { readonly kind: 'mark'; readonly text: '=' | '+=' | '[' | ']' | ',' | ';' | '\n' }
    /** Blanks and comments. */
    | { readonly kind: 'trivia' }
    | { readonly kind: 'wrong'; readonly message: string; readonly hint?: string }
    | { readonly kind: 'end' }
  )

type Rule = { readonly pattern: RegExp; readonly make: (text: string) => Kind }
type Kind = Token extends infer One ? (One extends Token ? Omit<One, keyof Place> : never) : never

const escapes: Readonly<Record<string, string>> = { n: '\n', t: '\t', '"': '"', "'": "'", '\\': '\\' }
const pythonHint = 'an xl.cfg is no Python: there are only strings, whole numbers and lists'

/** In the order in which they are tried; together they match anything. */
const rules: readonly Rule[] = [
  { pattern: /[ \t]+|#[^\n]*/y, make: () => ({ kind: 'trivia' }) },
  {
    pattern: /\r/y,
    make: () => ({
      kind: 'wrong',
      message: 'a carriage return',
      hint: 'xl refuses lines that end in CR LF: save it with LF',
    }),
  },
  { pattern: /\+=|[=[\],;\n]/y, make: (text) => ({ kind: 'mark', text: text as '=' }) },
  { pattern: /[a-z_.][a-z0-9_.]*/y, make: (text) => ({ kind: 'key', text }) },
  { pattern: /0[xX][0-9a-fA-F]+|[0-9]+/y, make: number },
  { pattern: /"(?:[^"\\\n]|\\[^\n])*"|'(?:[^'\\\n]|\\[^\n])*'/y, make: string },
  { pattern: /["'][^\n]*/y, make: () => ({ kind: 'wrong', message: 'a string that does not end on its line' }) },
  {
    pattern: /[^\s#="',;[\]]+|[^]/y,
    make: (text) => ({ kind: 'wrong', message: `${JSON.stringify(text)} is none of its words`, hint: pythonHint }),
  },
]

/** Ends with a token `end`. */
export function* tokens(text: string): Generator<Token> {
  let [line, lineFrom] = [1, 0]
  for (let from = 0; from < text.length; ) {
    const found = matchAt(text, from)
    const to = from + found.text.length
    yield { ...found.rule.make(found.text), from, to, line, column: from - lineFrom + 1 }
    if (found.text === '\n') {
      line += 1
      lineFrom = to
    }
    from = to
  }
  yield { kind: 'end', from: text.length, to: text.length, line, column: text.length - lineFrom + 1 }
}

function matchAt(text: string, from: number): { readonly rule: Rule; readonly text: string } {
  for (const rule of rules) {
    rule.pattern.lastIndex = from
    const match = rule.pattern.exec(text)
    if (match !== null) return { rule, text: match[0] }
  }
  throw new Error('the last rule matches anything')
}

/** As strtoul(3) with base 0 reads it. */
function number(text: string): Kind {
  if (/^0[0-9]*[89]/.test(text))
    return { kind: 'wrong', message: `${text} is no number`, hint: 'a leading 0 means octal: write it without' }
  const isOctal = /^0[0-7]+$/.test(text)
  return { kind: 'number', value: isOctal ? Number.parseInt(text, 8) : Number(text) }
}

function string(text: string): Kind {
  const inner = text.slice(1, -1)
  const unknown = /\\([^nt"'\\])/.exec(inner.replaceAll('\\\\', ''))
  if (unknown !== null)
    return {
      kind: 'wrong',
      message: `\\${unknown[1]} is no escape that xl knows`,
      hint: String.raw`it knows \n \t \" \' and \\`,
    }
  return { kind: 'string', value: inner.replaceAll(/\\(.)/g, (_, letter: string) => escapes[letter] ?? letter) }
}
