/** What a preparation is made of: steps, each with the very commands and files that it stands for. */

/** A file as a whole: `before` is what it was when it was looked at, '' when it is not there; so is `after`. */
export type WholeFile = { readonly path: string; readonly before: string; readonly after: string }

/** Variables of a shell-like file, set in whatever it holds then: for files that come with a package only. */
export type Variables = { readonly path: string; readonly set: Readonly<Record<string, string>> }

/**
 * Words of a variable that the shell reads, each in place of the one of the same name before `=`; what else stands there stays.
 * For files that a package changes while it is installed.
 */
export type Words = { readonly path: string; readonly variable: string; readonly words: readonly string[] }

export type FileChange = WholeFile | Variables | Words

export type Commands = readonly (readonly string[])[]

/** Done so that the connection that it is ordered over may break: it is put back by the host itself, see network/guard.ts. */
export type Guarded = {
  /** The device that carries the connection now, and the one that is to carry it. */
  readonly uplink: string
  readonly bridge: string
  readonly files: readonly WholeFile[]
  /** Under the old files; that one fails does not matter. */
  readonly leave: Commands
  /** Under the new files. */
  readonly enter: Commands
  /** The way back: under the new files, then under the old ones. */
  readonly back: { readonly leave: Commands; readonly enter: Commands }
}

export type Step = {
  readonly what: string
  /** Why it is needed: what was found. */
  readonly reason: string
  readonly undo: string
  readonly files: readonly FileChange[]
  /** Run in this order, after the files were written. */
  readonly commands: Commands
  readonly guarded?: Guarded
}

/** The text with these variables set: where one stood it stands, others come last. Comments stay. */
export function withVariables(text: string, set: Variables['set']): string {
  return Object.entries(set).reduce((before, [name, value]) => {
    const line = `${name}=${value}`
    const old = new RegExp(`^[ \\t]*(?:export[ \\t]+)?${name}=.*$`, 'gm')
    const found = [...before.matchAll(old)]
    // The last one counts, so it is the one that is changed.
    const last = found.at(-1)
    if (last === undefined) return `${before === '' ? '' : before.replace(/\n*$/, '\n')}${line}\n`
    return `${before.slice(0, last.index)}${line}${before.slice(last.index + last[0].length)}`
  }, text)
}

/** The text with these words in the variable, which is made when it is not there. */
export function withWords(text: string, { variable, words }: Words): string {
  const line = [...text.matchAll(new RegExp(`^[ \\t]*${variable}=(["']?)(.*)\\1[ \\t]*$`, 'gm'))].at(-1)
  const [now, after] = [line?.[2] ?? '', mergedWords(line?.[2] ?? '', words)]
  return now === after ? text : withVariables(text, { [variable]: `"${after}"` })
}

/** A line that has the words, each in place of others of its name; as it was when it has them all. */
export function mergedWords(line: string, words: readonly string[]): string {
  const nameOf = (word: string): string => word.split('=')[0] ?? ''
  const now = line.split(/\s+/).filter((word) => word !== '')
  if (words.every((word) => now.includes(word))) return line
  return [...now.filter((word) => !words.some((one) => nameOf(one) === nameOf(word))), ...words].join(' ')
}

/** What a file holds once it is changed. */
export function changed(text: string, change: FileChange): string {
  if ('after' in change) return change.after
  return 'set' in change ? withVariables(text, change.set) : withWords(text, change)
}

export const ownMark = '# Written by baton host prepare.\n'
