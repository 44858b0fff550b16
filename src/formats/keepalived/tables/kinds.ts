/** Short names for what the tables are made of. */
import type { Keyword, Table } from '../keyword.ts'

export const words = (options: Omit<Extract<Keyword, { kind: 'words' }>, 'kind'> = {}): Keyword => ({
  kind: 'words',
  ...options,
})
/** Words that may also be left out. */
export const optional: Keyword = { kind: 'words', needs: 0 }
export const flag = (wrong?: string): Keyword => ({ kind: 'flag', ...(wrong === undefined ? {} : { wrong }) })
export const list: Keyword = { kind: 'list' }
export const listOnce = (once: string): Keyword => ({ kind: 'list', once })
export const command: Keyword = { kind: 'command' }
export const commandOnce = (once: string): Keyword => ({ kind: 'command', once })
export const block = (
  keywords: Table,
  options: Omit<Extract<Keyword, { kind: 'block' }>, 'kind' | 'keywords'> = {},
): Keyword => ({ kind: 'block', keywords, ...options })
export const choice = (of: readonly string[], wrong: string, missing?: string): Keyword => ({
  kind: 'choice',
  of,
  wrong,
  ...(missing === undefined ? {} : { missing }),
})

export const choiceOfAnyCase = (of: readonly string[], wrong: string): Keyword => ({
  kind: 'choice',
  of,
  wrong,
  isCaseless: true,
})

export function integer(
  min: number,
  max: number,
  wrong: string,
  options: Omit<Extract<Keyword, { kind: 'integer' }>, 'kind' | 'min' | 'max' | 'wrong'> = {},
): Keyword {
  return { kind: 'integer', min, max, wrong, ...options }
}

/** The longest time in seconds that keepalived reads into 32 bits of microseconds. */
export const longest = 4294.967295
export const maxUnsigned = 4_294_967_295
export const maxInt = 2_147_483_647

export function seconds(min: number, max: number, wrong?: string): Keyword {
  return { kind: 'seconds', min, max, ...(wrong === undefined ? {} : { wrong }) }
}
