/** What is wrong with a file, as a value: gathered all at once, each with its place and what to do. */

export type Diagnostic = {
  readonly severity: 'error' | 'warning'
  readonly file: string
  /** Both from 1; the place of the wrong value or, for an unknown or doubled key, of the key. */
  readonly line: number
  readonly column: number
  /** What is wrong, and what was expected. */
  readonly message: string
  /** What to do about it. */
  readonly hint?: string
}

/** `shop.yaml:4:14: unknown scheduler wlcc: did you mean wlc?` */
export function formatDiagnostic({ file, line, column, severity, message, hint }: Diagnostic): string {
  const prefix = severity === 'warning' ? 'warning: ' : ''
  return `${file}:${line}:${column}: ${prefix}${message}${hint === undefined ? '' : ` (${hint})`}`
}
