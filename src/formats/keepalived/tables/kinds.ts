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
export const command: Keyword = { kind: 'command' }
export const block = (
  keywords: Table,
  options: { readonly needs?: number; readonly twice?: string } = {},
): Keyword => ({ kind: 'block', keywords, ...options })
export const choice = (of: readonly string[], wrong: string): Keyword => ({ kind: 'choice', of, wrong })

export function integer(
  min: number,
  max: number,
  wrong: string,
  options: { readonly missing?: string; readonly instead?: number; readonly bare?: number } = {},
): Keyword {
  return { kind: 'integer', min, max, wrong, ...options }
}

/** The longest time that keepalived's timers hold, in seconds. */
export const longest = 4294.967295
export const maxUnsigned = 4_294_967_295
export const maxInt = 2_147_483_647

export function seconds(min: number, max: number, wrong?: string): Keyword {
  return { kind: 'seconds', min, max, ...(wrong === undefined ? {} : { wrong }) }
}
