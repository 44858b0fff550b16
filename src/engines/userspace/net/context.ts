/** What the parts of the `net` plane share. */
import type { Ledger } from '../../ledger.ts'
import type { ServerRecord } from '../../records.ts'
import type { Scheduling } from '../../scheduling.ts'
import type { TemplateUse } from '../../template-use.ts'
import type { PlaneSettings } from '../plane.ts'

export type NetContext = {
  readonly scheduling: Scheduling
  readonly ledger: Ledger
  readonly templates: TemplateUse
  readonly settings: PlaneSettings
  /** An exception that cost a connection, and nothing else. */
  readonly onFault: (error: unknown) => void
}

export const nowMs = (): number => performance.now()

export const noServers: readonly ServerRecord[] = []

/** The errno's name of a Node error, or its text. */
export function errnoOf(error: Error): string {
  return 'code' in error && typeof error.code === 'string' ? error.code : error.message
}
