/** ldirectord's command line, read as Getopt::Long reads it there: options first, short ones in a bundle. Pure. */

const commandNames = ['start', 'stop', 'status', 'restart', 'try-restart', 'reload', 'force-reload'] as const
export type CommandName = (typeof commandNames)[number]

export type Asked =
  | { readonly kind: 'help' | 'version' }
  /** `complaints`: what is said on standard error before the usage. */
  | { readonly kind: 'usage'; readonly complaints: readonly string[] }
  | {
      readonly kind: 'command'
      readonly command: CommandName
      /** As written; undefined: ldirectord's own default. */
      readonly file: string | undefined
      readonly isDebug: boolean
    }

type Option = 'debug' | 'help' | 'version'
const short: Readonly<Record<string, Option>> = { d: 'debug', h: 'help', '?': 'help', v: 'version' }
const long: readonly Option[] = ['debug', 'help', 'version']

/** `words` without the program's name. */
export function readArguments(words: readonly string[]): Asked {
  const { given, operands, complaints } = readOptions(words)
  if (complaints.length > 0) return { kind: 'usage', complaints }
  if (given.has('help')) return { kind: 'help' }
  if (given.has('version')) return { kind: 'version' }
  const [first, second] = operands
  const name = second ?? first
  const command = commandNames.find((one) => one === name)
  if (command === undefined) return { kind: 'usage', complaints }
  return { kind: 'command', command, file: second === undefined ? undefined : first, isDebug: given.has('debug') }
}

function readOptions(words: readonly string[]): {
  readonly given: ReadonlySet<Option>
  readonly operands: readonly string[]
  readonly complaints: readonly string[]
} {
  const given = new Set<Option>()
  const complaints: string[] = []
  let at = 0
  for (; at < words.length; at += 1) {
    const word = words[at] ?? ''
    if (word === '--') {
      at += 1
      break
    }
    if (word.length < 2 || !word.startsWith('-')) break
    if (word.startsWith('--')) readLong(word.slice(2), given, complaints)
    else readBundle(word.slice(1), given, complaints)
  }
  return { given, operands: words.slice(at), complaints }
}

/** Whole names only, in letters of any case. */
function readLong(written: string, given: Set<Option>, complaints: string[]): void {
  const [name = '', value] = written.split('=', 2)
  const known = long.find((option) => option === name.toLowerCase())
  if (known === undefined) complaints.push(`Unknown option: ${name.toLowerCase()}`)
  else if (value !== undefined) complaints.push(`Option ${known} does not take an argument`)
  else given.add(known)
}

function readBundle(letters: string, given: Set<Option>, complaints: string[]): void {
  for (const letter of letters) {
    const known = short[letter]
    if (known !== undefined) given.add(known)
    else if (letter !== '-') complaints.push(`Unknown option: ${letter}`)
  }
}
