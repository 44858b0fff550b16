/** Why something that came from the synchronisation group was left aside: closed lists, for counters. */

/** Of whole datagrams. */
export const refusals = {
  malformed: 'cannot be read',
  'sync-id': 'of another sync id',
  unsealed: 'not sealed, though there is a key',
  seal: 'sealed with another key, or where there is none',
  replayed: 'heard before, or the sender’s clock is more than a minute off',
  queue: 'came faster than the engine takes them',
} as const

/** Of single records. */
export const recordRefusals = {
  malformed: 'cannot be read',
  unknown: 'of a kind that directors do not take over',
  engine: 'not taken by the engine',
} as const

export type Refusal = keyof typeof refusals
export type RecordRefusal = keyof typeof recordRefusals
export type Refused = Readonly<Record<Refusal, number>>
export type RecordsRefused = Readonly<Record<RecordRefusal, number>>

export const noneRefused: Refused = { malformed: 0, 'sync-id': 0, unsealed: 0, seal: 0, replayed: 0, queue: 0 }
export const noRecordsRefused: RecordsRefused = { malformed: 0, unknown: 0, engine: 0 }
