/** A word of a command line, in single quotes, as every shell reads it. */
export function quote(word: string): string {
  return `'${word.replaceAll("'", `'\\''`)}'`
}
