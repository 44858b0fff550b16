/** What a run of ipvsadm works with, and how it parses: shared by single commands and whole restores. */
import type { DirectorControl } from '../../director/control.ts'
import type { Parsed, Refusal } from '../../formats/ipvsadm/command.ts'
import { parseLine } from '../../formats/ipvsadm/parse.ts'
import type { NameBook } from './names.ts'

export type Front = {
  readonly director: Pick<DirectorControl, 'edit' | 'table' | 'connections'>
  readonly names: NameBook
  readonly out: (text: string) => void
  readonly err: (text: string) => void
  readonly input: AsyncIterable<Uint8Array>
  /** The name that the program was called by, as it was typed. */
  readonly program: () => string
  readonly signal: AbortSignal
}

/** As C programs end: 255 is -1. */
export const codes = { ok: 0, noRead: 1, refused: 2, failed: 255 } as const

export async function parseWords(words: readonly string[], { names }: Front): Promise<Parsed> {
  let parsed = parseLine(words, names.names)
  while (names.isAsked()) {
    await names.learn()
    parsed = parseLine(words, names.names)
  }
  return parsed
}

/** Says why a line asks for nothing, and gives back its exit code. */
export function complain(refusal: Refusal, { err, program }: Front): number {
  if (refusal.kind !== 'usage') {
    err(`${refusal.message}\n`)
    return refusal.kind === 'check' ? codes.refused : codes.failed
  }
  const name = program()
  err(`Try \`${name} -h' or '${name} --help' for more information.\n`)
  return codes.failed
}
