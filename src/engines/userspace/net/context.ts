/** What the parts of the `net` plane share. */
import type { Ledger } from '../../ledger.ts'
import type { Table } from '../../table.ts'
import type { PlaneSettings } from '../plane.ts'

export type NetContext = { readonly table: Table; readonly ledger: Ledger; readonly settings: PlaneSettings }

export const nowMs = (): number => performance.now()

/** The errno's name of a Node error, or its text. */
export function errnoOf(error: Error): string {
  return 'code' in error && typeof error.code === 'string' ? error.code : error.message
}
