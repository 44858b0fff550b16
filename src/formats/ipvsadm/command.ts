/** What one command line of ipvsadm asks for, or why it asks for nothing. */
import type { SyncRole, TableEdit } from '../../lvs/edit.ts'
import type { ServiceId } from '../../lvs/service.ts'
import type { CommandName } from './options.ts'

/** What a listing's destination lines show; the first one asked for wins, in this order. */
export const listColumns = ['stats', 'rate', 'thresholds', 'persistent-conn', 'tun-info'] as const
export type ListColumns = (typeof listColumns)[number] | 'normal'

export type ListFormat = {
  readonly numeric: boolean
  readonly exact: boolean
  readonly nosort: boolean
  readonly columns: ListColumns
  /** Whether --persistent-conn was said: connections show what their persistence engine knows. */
  readonly persistenceData: boolean
}

export type Command =
  | { readonly kind: 'edit'; readonly name: EditName; readonly edit: TableEdit }
  /** A service with a scheduler or persistence engine that nobody has: refused by name, after whether the service is there. */
  | { readonly kind: 'unknown-module'; readonly name: 'add-service' | 'edit-service'; readonly id: ServiceId }
  | { readonly kind: 'list-all'; readonly format: ListFormat }
  | { readonly kind: 'list-service'; readonly id: ServiceId; readonly format: ListFormat }
  | { readonly kind: 'list-connections'; readonly format: ListFormat }
  | { readonly kind: 'list-timeouts' | 'list-daemons' }
  | { readonly kind: 'restore' }
  | { readonly kind: 'help' }
  | { readonly kind: 'version' }
  | { readonly kind: 'save'; readonly numeric: boolean }

export type EditName = Exclude<CommandName, 'list' | 'save' | 'restore'>

export type Refusal =
  /** The line makes no sense at all: where to find help. Ends a restore. */
  | { readonly kind: 'usage' }
  /** One of ipvsadm's own checks. Ends a restore. */
  | { readonly kind: 'check'; readonly message: string }
  /** An unknown option or a missing value. A restore goes on. */
  | { readonly kind: 'option'; readonly message: string }

export type Parsed =
  | { readonly ok: true; readonly command: Command }
  | { readonly ok: false; readonly refusal: Refusal }

/** Ends the parse of a line from deep inside; caught by `parseLine`, never seen outside. */
export class LineRefused extends Error {
  readonly refusal: Refusal
  constructor(refusal: Refusal) {
    super('refused')
    this.refusal = refusal
  }
}

/** One of ipvsadm's own checks has failed. */
export function refuse(message: string): never {
  throw new LineRefused({ kind: 'check', message })
}

export function isSyncRole(text: string): text is SyncRole {
  return text === 'master' || text === 'backup'
}
