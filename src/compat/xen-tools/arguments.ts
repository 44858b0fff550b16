/** The words of xen-list-images, read as Perl's Getopt::Long reads them: shortened names, `-name`, `=value` or the next word. */

export type ListCall = {
  readonly kind: 'list' | 'help' | 'manual' | 'version'
  /** Where the configurations are; undefined: as the tool's own file says, or /etc/xen. */
  readonly directory?: string
  /** '' is any file. */
  readonly extension?: string
  /** What the original says on standard error, and goes on. */
  readonly complaints: readonly string[]
}

const options = ['test', 'extension', 'help', 'manual', 'version'] as const
type Option = (typeof options)[number]

export function readListCall(words: readonly string[]): ListCall {
  const found: { directory?: string; extension?: string } = {}
  const asked = new Set<Option>()
  const complaints: string[] = []
  for (let at = 0; at < words.length; at += 1) {
    const [, written = '', given] = /^--?([^=]+)(?:=(.*))?$/s.exec(words[at] ?? '') ?? []
    if (written === '') {
      if (words[at] === '--') break
      continue // a word without a dash means nothing to it
    }
    const option = optionOf(written)
    if (option === undefined) complaints.push(`Unknown option: ${written}`)
    else if (option !== 'test' && option !== 'extension') asked.add(option)
    else {
      const next = words[at + 1]
      const mayTakeNext = next !== undefined && (option === 'test' || !next.startsWith('-'))
      if (given === undefined && mayTakeNext) at += 1
      const value = given ?? (mayTakeNext ? next : undefined)
      if (option === 'extension') found.extension = value ?? ''
      else if (value === undefined) complaints.push('Option test requires an argument')
      else found.directory = value
    }
  }
  const kind = (['help', 'manual', 'version'] as const).find((option) => asked.has(option)) ?? 'list'
  return { kind, ...found, complaints }
}

/** By its name, or what it begins with where that is one option's alone; letters of either case. */
function optionOf(written: string): Option | undefined {
  const name = written.toLowerCase()
  const matches = options.filter((option) => option.startsWith(name))
  return matches.length === 1 ? matches[0] : undefined
}
